"""Command line: ``swin2sr upscale`` for files and folders, ``swin2sr models`` for the table,
``swin2sr train`` for weights of one's own, ``swin2sr export`` for other runtimes.

Exit codes: 0 all done; 1 some items failed (listed); 2 usage or output error; 3 memory or budget;
130 interrupted. Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from swin2sr.cli.paths import (
    FORMATS,
    check_target,
    find_sources,
    lock_target,
    name_targets,
    output_kind,
    prepare_output,
)
from swin2sr.console import INTERRUPTED, Console, Parser, as_failure, run_command
from swin2sr.errors import OutputError, Swin2SRError
from swin2sr.training.cli import add_arguments

if TYPE_CHECKING:
    from swin2sr.checkpoints import Entry
    from swin2sr.inference.upscaler import Report, Upscaler

PROGRAM = "swin2sr"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: words after the program's name; None takes them from ``sys.argv``.
    Returns:
        The exit code (see the module). No error of a run is raised.
    Raises:
        SystemExit: from the argument parser, for --help, --version and wrong usage (code 2).
    """

    def command(console: Console) -> int:
        options = _parser().parse_args(arguments)
        work: Callable[[argparse.Namespace, Console], int] = options.command
        return work(options, console)

    return run_command(command, prefix=PROGRAM)


class _Version(argparse.Action):
    """Action of ``--version``; the package is imported only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *unused: Any) -> NoReturn:
        from swin2sr import __version__

        Console().say(f"{PROGRAM} {__version__}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description="Super-resolution and JPEG restoration.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_upscale(commands)
    models = commands.add_parser("models", help="list the published checkpoints")
    models.set_defaults(command=_models)
    models.add_argument("--json", action="store_true", help="print one JSON object for each")
    _add_export(commands)
    train = commands.add_parser(
        "train",
        help="train or fine-tune a network",
        description="Train a network from a folder of images. Run it again to go on after a stop.",
    )
    train.set_defaults(command=_train)
    add_arguments(train)
    return parser


def _add_export(commands: Any) -> None:
    parser = commands.add_parser(
        "export",
        help="write a network as a file for other runtimes",
        description="Write a network as one ONNX file for pictures of any size, checked in ONNX "
        "Runtime before it is kept. Needs the extra 'export'.",
    )
    parser.set_defaults(command=_export)
    add = parser.add_argument
    add("name", metavar="NAME", help="of 'swin2sr models', a Hub id, a folder or a weights file")
    add("--to", choices=("onnx",), default="onnx", help="the format [%(default)s]")
    add("-o", "--output", required=True, type=Path, metavar="FILE", help="to write")
    add("--overwrite", action="store_true", help="replace a file that exists")
    add("--json", action="store_true", help="print the file's metadata as one JSON object")


def _add_upscale(commands: Any) -> None:
    parser = commands.add_parser(
        "upscale",
        help="enlarge or restore pictures",
        description="Enlarge or restore pictures. Names that begin with a dash go after '--'.",
    )
    parser.set_defaults(command=_upscale)
    add = parser.add_argument
    add("inputs", nargs="+", type=Path, metavar="IN", help="pictures, or folders of them")
    add("-o", "--output", required=True, type=Path, metavar="OUT", help="a file, or a folder")
    add(
        "--model",
        metavar="NAME",
        help="a name of 'swin2sr models', a Hub id, a folder or a weights file [the packaged one]",
    )
    add("--scale", type=int, help="refuse a model that enlarges by another factor")
    add("--task", help="refuse a model for another task, e.g. denoise")
    add("--tile", default="auto", type=_tile, help="tile side in pixels, 'whole', or [%(default)s]")
    add(
        "--precision",
        default="auto",
        help="float32, bfloat16, float16 or [%(default)s]",
    )
    add(
        "--padding",
        default="minimal",
        choices=("minimal", "official"),
        help="official reproduces published numbers [%(default)s]",
    )
    add("--device", default="auto", help="cpu, cuda, mps or [%(default)s]")
    formats = dict.fromkeys(FORMATS.values())
    add("--format", choices=tuple(formats), help="of the results [by OUT's name, or png]")
    add("--keep-metadata", action="store_true", help="keep the camera's EXIF, but no GPS position")
    add("--overwrite", action="store_true", help="replace results that exist")
    add("--recursive", action="store_true", help="search folders inside folders too")
    add("--json", action="store_true", help="print one JSON object for each picture")


def _tile(word: str) -> str | int | None:
    if word in ("auto", "whole"):
        return word if word == "auto" else None
    try:
        return int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a number of pixels, 'auto' or 'whole', got {word!r}"
        ) from None


@dataclass
class Outcomes:
    """Results of one run: pictures done, failed, left."""

    total: int
    done: int = 0
    failures: list[tuple[Path, Swin2SRError]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def number(self) -> int:
        """Number of the picture that is being worked on, from 1."""
        return self.done + len(self.failures) + 1

    def exit_code(self) -> int:
        """Exit code as the module says; one reason for all failures gives that reason's code."""
        if self.interrupted:
            return INTERRUPTED
        if self.failures and _ends_run(self.failures[-1][1]):
            return self.failures[-1][1].exit_code
        codes = {failure.exit_code for _, failure in self.failures}
        return codes.pop() if not self.done and len(codes) == 1 else min(1, len(codes))


def _ends_run(failure: Swin2SRError) -> bool:
    """True where the disk or the folder failed, as it would for every other picture."""
    return failure.code == OutputError.code


def _upscale(options: argparse.Namespace, console: Console) -> int:
    suffix, is_file = output_kind(options.output, options.inputs, options.format)
    inputs = find_sources(options.inputs, options.output, recursive=options.recursive)
    prepare_output(options.output, is_file=is_file)
    from swin2sr.checkpoints.registry import DEFAULT  # takes seconds; wrong usage is told before
    from swin2sr.inference.hardware import prepare_process
    from swin2sr.inference.upscaler import Upscaler

    prepare_process()
    upscaler = Upscaler.from_pretrained(
        options.model or DEFAULT,
        device=options.device,
        precision=options.precision,
        scale=options.scale,
        task=options.task,
    )
    sources = list(inputs.values())
    targets = [options.output]
    if not is_file:
        family = upscaler.config.model_type
        targets = name_targets(sources, options.output, family, upscaler.scale, suffix)
    paths = [source.path for source in sources]
    outcomes = Outcomes(total=len(sources))
    _Run(options, console, upscaler, frozenset(inputs), outcomes).upscale_all(paths, targets)
    return outcomes.exit_code()


@dataclass(frozen=True)
class _Run:
    """Run of ``swin2sr upscale``: options, network, inputs, outcomes."""

    options: argparse.Namespace
    console: Console
    upscaler: Upscaler
    inputs: frozenset[Path]
    outcomes: Outcomes

    def upscale_all(self, paths: Sequence[Path], targets: Sequence[Path]) -> None:
        """Upscale every picture in turn; a failure does not end the run, an interrupt does."""
        try:
            for path, target in zip(paths, targets, strict=True):
                try:
                    report = self.upscale_one(path, target)
                except Exception as error:  # noqa: BLE001 - a surprise is this picture's alone
                    failure = as_failure(error)
                    self.outcomes.failures.append((path, failure))
                    self.tell_failure(path, failure)
                    if _ends_run(failure):
                        break
                else:
                    self.outcomes.done += 1
                    self.tell_result(path, target, report)
        except KeyboardInterrupt:
            self.outcomes.interrupted = True
        self.summarise()

    def upscale_one(self, path: Path, target: Path) -> Report:
        """Upscale one picture and write its result; return the report."""
        from swin2sr import images

        options, scale = self.options, self.upscaler.scale
        label = f"[{self.outcomes.number}/{self.outcomes.total}] {path}"
        self.console.progress(label)
        check_target(target, options.output, self.inputs, overwrite=options.overwrite)
        picture = images.decode(path, keep_metadata=options.keep_metadata)
        width, height = picture.size
        form = FORMATS[target.suffix.lower()]
        images.check_size((width * scale, height * scale), form)
        for step in self.upscaler.stream(
            picture,
            tile=options.tile,
            padding=options.padding,
            keep_metadata=options.keep_metadata,
        ):
            left = "" if step.seconds_left is None else f", {step.seconds_left:.0f} s left"
            self.console.progress(f"{label}  tile {step.done}/{step.total}{left}")
        if step.picture is None or step.report is None:
            raise AssertionError("the last step carries the result")
        with lock_target(target, options.output, self.inputs, overwrite=options.overwrite):
            images.encode(step.picture, target, format=form)
        return step.report

    def tell_result(self, path: Path, target: Path, report: Report) -> None:
        """Tell the notes, for people; then the result's name, or all about it as JSON."""
        for note in report.notes:
            self.console.tell(f"{path}: note: {note}")
        record = {"input": str(path), "output": str(target), "status": "done", **asdict(report)}
        self.console.say(json.dumps(record) if self.options.json else str(target))

    def tell_failure(self, path: Path, failure: Swin2SRError) -> None:
        """Tell the error of a picture."""
        self.console.tell(f"{PROGRAM}: {path}: {failure}")
        if self.options.json:
            error = {"code": failure.code, "message": str(failure)}
            record = {"input": str(path), "output": None, "status": "failed", "error": error}
            self.console.say(json.dumps(record))

    def summarise(self) -> None:
        """Count the pictures of a run of several, or of one cut short, and list what failed."""
        outcomes = self.outcomes
        if outcomes.total == 1 and not outcomes.interrupted:
            return
        failed = len(outcomes.failures)
        left = outcomes.total - outcomes.done - failed
        word = "Interrupted" if outcomes.interrupted else "Finished"
        self.console.tell(f"{word}: {outcomes.done} done, {failed} failed, {left} not done.")
        for path, failure in outcomes.failures:
            self.console.tell(f"  failed: {path} ({failure.code})")


def _train(options: argparse.Namespace, console: Console) -> int:
    from swin2sr.training.cli import run

    return run(options, console.say, console.tell, console.progress)


def _export(options: argparse.Namespace, console: Console) -> int:
    from swin2sr.export import export_onnx

    check_target(options.output, options.output, (), overwrite=options.overwrite)
    metadata = export_onnx(options.name, options.output)
    if options.json:
        console.say(json.dumps(metadata))
    else:
        console.say(str(options.output))
        console.tell(f"largest difference to PyTorch {metadata['max_difference']}, at five sizes")
    return 0


def _models(options: argparse.Namespace, console: Console) -> int:
    from swin2sr.checkpoints import list_models

    rows = [_row(entry) for entry in list_models()]
    if options.json:
        for row in rows:
            console.say(json.dumps(row))
        return 0
    shown = [[_shown(value) for value in row.values()] for row in rows]
    titles = list(rows[0])
    widths = [max(map(len, column)) for column in zip(titles, *shown, strict=True)]
    for line in (titles, *shown):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        console.say("  ".join(cells).rstrip())
    return 0


def _row(entry: Entry) -> dict[str, Any]:
    from swin2sr.checkpoints import is_here

    return {
        "name": entry.name,
        "task": entry.task,
        "scale": entry.scale,
        "parameters": entry.parameters,
        "licence": entry.licence,
        "offline": is_here(entry),
        "from": entry.repo or entry.url or "this package",
    }


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
