"""The command line: ``swin2sr upscale``, ``models`` and ``train``."""
