"""Command line ``python -m swin2sr``, without an installed script."""

from __future__ import annotations

import sys

from swin2sr.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
