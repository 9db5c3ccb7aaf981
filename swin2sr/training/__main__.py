"""``python -m swin2sr.training``: ``swin2sr train`` by a name that ``torchrun -m`` can start."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from swin2sr.errors import Swin2SRError
from swin2sr.training.cli import add_arguments, run

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, or go on with training; returns the exit code, as ``swin2sr.cli`` has them."""
    parser = argparse.ArgumentParser(
        prog="python -m swin2sr.training",
        description="Train a network from a folder of images. Run it again to go on after a stop.",
    )
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments), _say, _tell, lambda line: None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Swin2SRError as error:
        _tell(f"error: {error}")
        return error.exit_code


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
