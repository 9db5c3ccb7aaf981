"""What is said to people about a job: before it, during it, and after it."""

from __future__ import annotations

import html
import math
import re

from swin2sr import checkpoints
from swin2sr.demo.models import INCLUDED, included, included_for
from swin2sr.errors import JobError, WeightsError
from swin2sr.inference.estimate import duration, multiplications
from swin2sr.inference.upscaler import Report, Step, Upscaler

ORIGINS = {
    "packaged": "included with this page",
    "cache": "downloaded earlier",
    "hub": "downloaded just now",
}


def plain(text: str) -> str:
    """Text as Markdown that shows it as it is."""
    return re.sub(r"([\\`*_\[\]#|~])", r"\\\1", html.escape(text, quote=False))


def pixels(size: tuple[int, int]) -> str:
    """(width, height), in words."""
    return f"{size[0]}x{size[1]} pixels"


def unavailable(name: str, error: WeightsError) -> WeightsError:
    """Why a model cannot be had, for somebody who has nothing but the page."""
    label = included_for(name)
    if name in included() or label is None:
        return error
    reason = error.message
    if error.code == "offline":
        reason = f"{name} is not on this machine yet, and cannot be downloaded now."
    remedy = f'Try again later, or use "{label}" with the fast model, which is included.'
    return WeightsError(reason, code=error.code, remedy=remedy)


def cost(upscaler: Upscaler, size: tuple[int, int], deadline: float) -> str:
    """What a picture of (width, height) will cost, in words.

    Args:
        deadline: seconds that a job may take.
    Raises:
        JobError: "over_budget", more memory than there is or more time than is given.
    """
    estimate = upscaler.estimate(size)
    if not estimate.fits:
        raise JobError(estimate.message, code="over_budget")
    if estimate.seconds > deadline:
        share = math.sqrt(deadline / estimate.seconds)
        smaller = (max(1, int(size[0] * share)), max(1, int(size[1] * share)))
        faster = "" if upscaler.name == INCLUDED else "choose a faster model, or "
        raise JobError(
            f"{pixels(size)} would take this model about {estimate.seconds / 60:.0f} min; "
            f"the limit here is {deadline / 60:.0f} min.",
            code="over_budget",
            remedy=f"{faster}crop or shrink the picture to {pixels(smaller)}.".capitalize(),
        )
    return estimate.message


def guess(name: str, included: Upscaler, size: tuple[int, int]) -> str:
    """What a picture will cost a model that is not loaded: the included model's time, by the
    multiplications of both. Small networks use fewer of them a second, so this is rather long.

    Args:
        name: of the registry.
        included: the model whose speed is known here.
        size: (width, height).
    """
    entry = checkpoints.find(name)
    if entry is None:
        return f"Your picture has {pixels(size)}."
    more = multiplications(entry.config) / multiplications(included.config)
    seconds = more * included.estimate(size).seconds
    return (
        f"About {duration(seconds)} for {pixels(size)}, judged by the included model's speed here. "
        "Time and memory are told exactly when the model is loaded, before it begins."
    )


def standing(step: Step) -> str:
    """How far the tiles are."""
    line = f"Tile {min(step.done + 1, step.total)} of {step.total}, {step.seconds:.0f} s so far"
    if step.seconds_left is None:
        return f"{line}."
    return f"{line}, about {math.ceil(step.seconds_left)} s left."


def summary(report: Report) -> str:
    """What was done: sizes, time, weights, number format, and what a person should know."""
    weights = [ORIGINS.get(report.origin, report.origin)]
    if report.sha256:
        weights.append(f"sha256 {report.sha256[:12]}")
    width, height = report.input_size
    lines = [
        f"{width}x{height} to {pixels(report.output_size)} in {report.seconds:.1f} s.",
        f"Model **{plain(report.model)}** ({', '.join(weights)}), {report.precision}, "
        f"{report.tiles} tile{'s' if report.tiles > 1 else ''}.",
    ]
    return "\n\n".join(lines) + "\n" + "".join(f"\n- {plain(note)}" for note in report.notes)
