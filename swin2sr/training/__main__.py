"""``python -m swin2sr.training``: ``swin2sr train`` by a name that ``torchrun -m`` can start."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from swin2sr.console import Console, Parser, run_command
from swin2sr.training.cli import add_arguments, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, or go on with training; returns the exit code, as ``swin2sr.cli`` has them."""
    parser = Parser(
        prog="python -m swin2sr.training",
        description="Train a network from a folder of images. Run it again to go on after a stop.",
    )
    add_arguments(parser)
    options = parser.parse_args(arguments)

    def command(console: Console) -> int:
        return run(options, console.say, console.tell, console.progress)

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
