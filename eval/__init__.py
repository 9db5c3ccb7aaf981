"""The evaluation suite: ``python -m eval run --help``."""
