"""``python -m eval``: run, report, fetch, sets.

Exit codes: 0 all done; 1 some images failed (listed); 2 usage or output error; 3 memory or budget,
or other processes of the run lost; 130 interrupted. Tables go to standard output, everything else
to standard error.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from swin2sr.console import Console, Parser, run_command

PROGRAM = "python -m eval"
MOST_LISTED = 20  # failures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: words after the program's name; None takes them from ``sys.argv``.
    Returns:
        The exit code (see the module). No error of a run is raised.
    Raises:
        SystemExit: from the argument parser, for --help and wrong usage (code 2).
    """
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Console], int] = options.command
    return run_command(
        lambda console: command(options, console),
        interrupted="Interrupted. What is finished is kept; the same command goes on from there.",
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description="Put restoration models beside each other.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="measure models on sets"))
    _add_report(commands.add_parser("report", help="tables, comparisons and plots of runs"))
    fetch = commands.add_parser("fetch", help="download sets whose terms allow it")
    fetch.set_defaults(command=_fetch)
    fetch.add_argument("--set", nargs="+", required=True, dest="sets", metavar="NAME")
    fetch.add_argument("--scale", nargs="+", type=int, default=(2, 3, 4), dest="scales")
    sets = commands.add_parser("sets", help="list the sets in a folder")
    sets.set_defaults(command=_sets)
    sets.add_argument("--data", type=Path, required=True, help="folder of sets")
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_run)
    add = parser.add_argument
    add(
        "--model",
        nargs="+",
        required=True,
        dest="models",
        metavar="MODEL",
        help="bicubic, lanczos, input, a name of 'swin2sr models', or a path; label=... names it",
    )
    add("--data", type=Path, help="folder of sets [only the packaged one]")
    add("--set", nargs="+", default=(), dest="sets", metavar="NAME", help="[all that are usual]")
    add("--scale", nargs="+", type=int, default=(), dest="scales", help="[the models' own]")
    add(
        "--degradation",
        nargs="+",
        default=(),
        dest="degradations",
        metavar="NAME",
        help="bicubic, jpegQ, bicubic+jpegQ, jpegQ@444, realworld-light, -mid or -heavy "
        "[bicubic; at x1 jpeg10 20 30 40]",
    )
    add("--out", type=Path, help="folder for the results [print them only]")
    add("--fetch", action="store_true", help="download sets that are not in the folder")
    add("--padding", default="official", choices=("official", "minimal"), help="[%(default)s]")
    precisions = ("float32", "bfloat16", "float16", "float64")
    add("--precision", default="float32", choices=precisions, help="[%(default)s]")
    add("--tile", default="whole", type=_tile, help="pixels, 'auto', or [%(default)s]")
    add("--self-ensemble", action="store_true", help="average over 8 flips and turns")
    add("--device", default="auto", help="cpu, cuda, mps or [%(default)s]")
    add("--threads", type=_positive, help="of each process [the cores, shared]")
    add(
        "--grey",
        default="auto",
        choices=("auto", "rgb", "raw"),
        help="grey images as equal channels (rgb) or on the grey value (raw) [as the scripts do]",
    )
    add("--luma", action="store_true", help="reduce all to 8-bit Y first: grey JPEG tables")
    add("--make-lr", action="store_true", help="make small images also where there are files")
    add("--save-images", action="store_true", help="keep outputs of what is measured now")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_report)
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="folders of 'run --out'")
    add("--out", type=Path, help="folder of README.md and plots [the first RUN]")
    add("--against", metavar="MODEL", help="compare all with this one [each with the next best]")


def _tile(word: str) -> str | int | None:
    if word in ("auto", "whole"):
        return word if word == "auto" else None
    return _positive(word)


def _positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 up, got {word!r}")
    return int(word)


def _run(options: argparse.Namespace, console: Console) -> int:
    from eval.report import tables  # torch takes seconds; wrong usage is told before
    from eval.run.means import means
    from eval.run.models import Settings
    from eval.run.plan import Request
    from eval.run.protocol import Protocol
    from eval.run.session import run

    request = Request(
        models=tuple(options.models),
        sets=tuple(options.sets),
        scales=tuple(options.scales),
        degradations=tuple(options.degradations),
        data=options.data,
        fetch=options.fetch,
        protocol=Protocol(options.grey, options.luma, options.make_lr),
        settings=Settings(
            padding=options.padding,
            precision=options.precision,
            tile=options.tile,
            self_ensemble=options.self_ensemble,
            device=options.device,
        ),
        out=options.out,
        save_images=options.save_images,
    )
    result = run(request, console, options.threads)
    if result.is_first:
        found = means(result.rows, result.sets)
        if options.out is None:
            _say(console, tables.per_image(result.rows))
        _say(console, tables.markdown(found, request.protocol))
        for line in tables.signatures(found, request.protocol, result.padding):
            console.say(line)
        if result.failures:
            console.tell(f"{len(result.failures)} images failed:")
            for failure in result.failures[:MOST_LISTED]:
                console.tell(f"  {failure}")
            if len(result.failures) > MOST_LISTED:
                console.tell("  ... (all are in run.json)")
    return result.exit_code


def _report(options: argparse.Namespace, console: Console) -> int:
    from eval.report.page import report

    for path in report(options.runs, options.out or options.runs[0], options.against, console):
        console.say(str(path))
    return 0


def _fetch(options: argparse.Namespace, console: Console) -> int:
    from eval.sets.download import fetch

    for name in options.sets:
        for scale in options.scales:
            console.progress(f"fetching {name} x{scale}")
            folder = fetch(name, scale)
        console.say(str(folder))
    return 0


def _sets(options: argparse.Namespace, console: Console) -> int:
    from eval.sets.datasets import available

    for name in available(options.data):
        console.say(name)
    return 0


def _say(console: Console, text: str) -> None:
    for line in text.splitlines():
        console.say(line)
