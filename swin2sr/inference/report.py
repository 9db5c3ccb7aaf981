"""Report on a restored picture, and the steps that lead to it."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from swin2sr.images.picture import Picture


@dataclass(frozen=True)
class Report:
    """Report on a restored picture.

    Args:
        model, origin, sha256, scale, task, precision, device: of the upscaler.
        tile: (width, height) in input pixels of the largest tile's kept centre; None for one run.
        tiles: runs of the network.
        margin: pixels of surroundings each tile saw.
        padding: "minimal" or "official".
        seconds: from reading the picture to its result.
        input_size, output_size: (width, height).
        notes: for people: what was reduced, ignored, rounded or done otherwise.
        passes: through the network, each over the result of the one before.
    """

    model: str
    origin: str
    sha256: str | None
    scale: int
    task: str | None
    precision: str
    device: str
    tile: tuple[int, int] | None
    tiles: int
    margin: int
    padding: str
    seconds: float
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    notes: tuple[str, ...]
    passes: int = 1


@dataclass(frozen=True)
class Step:
    """Step of ``Upscaler.stream``.

    Args:
        done, total: tiles; ``total`` is 1 until the picture has been read and cut.
        seconds: since the start.
        seconds_left: from this job's own speed; None while nothing is known.
        image, picture, report: only in the last step: 8-bit image, full result, report.
    """

    done: int
    total: int
    seconds: float
    seconds_left: float | None
    image: Image.Image | None = None
    picture: Picture | None = None
    report: Report | None = None


def fault_notes(redone: int, tiles: int, halved: int, precision: str) -> list[str]:
    """Notes on faults that a run recovered from: ``redone`` of its ``tiles`` computed again in
    float32 instead of ``precision``, tiles ``halved`` where memory ran out."""
    notes = []
    if redone:
        notes.append(
            f"{precision} gave numbers that are not finite: {redone} of {tiles} tiles were "
            "computed again in float32."
        )
    if halved:
        notes.append("The memory ran out, so smaller tiles were used.")
    return notes
