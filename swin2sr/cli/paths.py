"""Paths of a command line: pictures that inputs stand for, files that results may go to."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from swin2sr.errors import ConfigError, ImageError, OutputError
from swin2sr.filesystem import lock_folder

# Suffixes of pictures to look for in folders, and of results with the name of their format.
READABLE = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
FORMATS = {".png": "png", ".jpg": "jpeg", ".webp": "webp", ".jpeg": "jpeg"}

_STEM = 40  # letters kept before a number, which a limit on long names must not cut off


@dataclass(frozen=True)
class Source:
    """Input picture, and the subfolder of the output folder that its result goes to."""

    path: Path
    subfolder: Path = Path()


def find_sources(inputs: Iterable[Path], output: Path, *, recursive: bool) -> dict[Path, Source]:
    """Find the pictures that files and folders stand for, each once, folders in order of name.

    Args:
        inputs: files (any name; they are judged by content) and folders (by suffix; hidden names
            and links to folders are left out).
        output: skipped where it lies inside a folder of the inputs.
        recursive: also take folders inside folders; the results repeat their structure.
    Returns:
        By real path (absolute, links followed), in the order given.
    Raises:
        ImageError: a folder without pictures.
    """
    found: dict[Path, Source] = {}
    skipped = _real_path(output)
    for given in inputs:
        if not os.path.isdir(given):
            found.setdefault(_real_path(given), Source(given))
            continue
        inside = list(_walk(given, skipped, recursive))
        if not inside:
            raise ImageError(
                f"The folder {str(given)!r} holds no pictures ({', '.join(READABLE)}).",
                code="empty",
                remedy="" if recursive else "Use --recursive for the folders inside it.",
            )
        for path in inside:
            found.setdefault(_real_path(path), Source(path, path.parent.relative_to(given)))
    return found


def _real_path(path: Path) -> Path:
    """Real path, links followed; unlike ``Path.resolve`` it does not raise on a circle of them."""
    return Path(os.path.realpath(path))


def _walk(folder: Path, skipped: Path, recursive: bool) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        place = Path(here)
        for name in sorted(names):
            path = place / name
            if path.suffix.lower() in READABLE and not name.startswith(".") and path.is_file():
                yield path
        folders[:] = sorted(
            name
            for name in folders
            if recursive and not name.startswith(".") and _real_path(place / name) != skipped
        )


def output_kind(output: Path, inputs: Sequence[Path], format: str | None) -> tuple[str, bool]:
    """Tell suffix of the results, and file from folder, by what was asked for.

    Args:
        output: a file when it has a suffix of ``FORMATS`` and is no folder; else a folder.
        inputs: files and folders.
        format: a value of ``FORMATS``; None goes by the suffix, and means "png" for a folder.
    Returns:
        (suffix of the results, whether ``output`` is a file).
    Raises:
        ConfigError: options that contradict each other.
    """
    suffix = output.suffix.lower()
    if os.path.isdir(output) or suffix not in READABLE:
        wanted = format or "png"
        return next(ending for ending, name in FORMATS.items() if name == wanted), False
    if suffix not in FORMATS:
        raise ConfigError(
            f"Results are written as {', '.join(FORMATS)}, not as {suffix}.",
            remedy="Name such a file, or a folder.",
        )
    if len(inputs) > 1 or os.path.isdir(inputs[0]):
        raise ConfigError(
            f"Several pictures cannot go to the one file {str(output)!r}.", remedy="Name a folder."
        )
    if format not in (None, FORMATS[suffix]):
        raise ConfigError(f"The format {format} does not fit the name {str(output)!r}.")
    return suffix, True


def prepare_output(output: Path, *, is_file: bool) -> None:
    """Create the output folder (not its parents); find out now whether it can be written to.

    Args:
        output: the folder, or the file whose folder is meant (and must exist).
        is_file: which of the two.
    Raises:
        OutputError: it cannot.
    """
    folder = output.parent if is_file else output
    try:
        if is_file:
            with suppress(FileNotFoundError):
                os.lstat(output)  # refuses names that are too long
        else:
            folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"The output {str(output)!r} cannot be written: {error.strerror or error}."
        ) from error


def name_targets(
    sources: Sequence[Source], folder: Path, family: str, scale: int, suffix: str
) -> list[Path]:
    """Name the file of each result: ``photo_swin2sr_x2.png`` in the folder, no two alike.

    Pictures that differ in nothing but their suffix carry it in the result's name; where that is
    not enough, a number.
    """
    from swin2sr.images import output_name

    def place(source: Source, stem: str) -> Path:
        name = output_name(stem + source.path.suffix, family, scale, suffix)
        return folder / source.subfolder / name

    plain = [place(source, source.path.stem) for source in sources]
    count = Counter(map(_same_file_name, plain))
    taken: set[str] = set()
    targets = []
    for source, target in zip(sources, plain, strict=True):
        stem, number = source.path.stem, 1
        if count[_same_file_name(target)] > 1:
            stem = f"{stem}-{source.path.suffix.lstrip('.').lower()}"
            target = place(source, stem)
        while _same_file_name(target) in taken:
            number += 1
            target = place(source, f"{stem[:_STEM]}-{number}")
        taken.add(_same_file_name(target))
        targets.append(target)
    return targets


def _same_file_name(path: Path) -> str:
    """Key that is equal for names some file system takes for one: case and accents aside."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def check_target(target: Path, output: Path, inputs: Collection[Path], *, overwrite: bool) -> None:
    """Refuse a result that would replace an input or an existing file, or leave the folder.

    Args:
        target: the result's file.
        output: the folder (or file) that was asked for.
        inputs: real paths of all pictures of this run (keys of ``find_sources``).
        overwrite: whether existing files may be replaced; inputs never.
    Raises:
        OutputError: "exists" or "outside".
    """
    if _real_path(target) in inputs:
        raise OutputError(f"The result {str(target)!r} would replace an input.", code="exists")
    if os.path.lexists(target) and not overwrite:
        raise OutputError(
            f"{str(target)!r} exists.", code="exists", remedy="Use --overwrite to replace it."
        )
    inside = target == output or _real_path(target.parent).is_relative_to(_real_path(output))
    if not inside:
        raise OutputError(f"{str(target.parent)!r} leads out of the output folder.", code="outside")


@contextmanager
def lock_target(
    target: Path, output: Path, inputs: Collection[Path], *, overwrite: bool
) -> Iterator[None]:
    """Lock the folder of a result while it is written, against other runs; make it where missing.

    Args:
        target, output, inputs, overwrite: as ``check_target``, which is asked again, since another
            run may have made the result while this one was working on it.
    Raises:
        OutputError: "exists" or "outside"; "output" when the folder cannot be made.
    """
    with lock_folder(target.parent, wait=True):
        check_target(target, output, inputs, overwrite=overwrite)
        yield
