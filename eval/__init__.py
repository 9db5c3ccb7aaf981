"""The evaluation suite: ``python -m eval --help``."""
