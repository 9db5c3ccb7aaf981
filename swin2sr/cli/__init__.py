"""Command line: ``swin2sr upscale``, ``models`` and ``train``."""
