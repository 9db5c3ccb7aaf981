"""Messages to people about a job: cost before it, progress during it, a report after it."""

from __future__ import annotations

import html
import math
import re

from swin2sr import checkpoints
from swin2sr.demo.models import DEFAULT_MODEL, packaged_models, packaged_task_label
from swin2sr.errors import JobError, WeightsError
from swin2sr.inference.estimate import duration, macs_per_pixel
from swin2sr.inference.upscaler import Report, Step, Upscaler

ORIGINS = {
    "packaged": "included with this page",
    "cache": "downloaded earlier",
    "hub": "downloaded just now",
}


def escape_markdown(text: str) -> str:
    """Escape text so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]#|~])", r"\\\1", html.escape(text, quote=False))


def size_text(size: tuple[int, int]) -> str:
    """Size in words, of (width, height) in pixels."""
    return f"{size[0]}x{size[1]} pixels"


def explain_weights_error(name: str, error: WeightsError) -> WeightsError:
    """Word the error of a model that cannot be had for somebody who has nothing but the page."""
    label = packaged_task_label(name)
    if label is None or name in packaged_models():
        return error
    reason = error.message
    if error.code == "offline":
        reason = f"{name} is not on this machine yet, and cannot be downloaded now."
    remedy = f'Try again later, or use "{label}" with the fast model, which is included.'
    return WeightsError(reason, code=error.code, remedy=remedy)


def cost_text(upscaler: Upscaler, size: tuple[int, int], time_limit: float) -> str:
    """Cost of a picture of (width, height), in words.

    Args:
        time_limit: seconds that a job may take.
    Raises:
        JobError: "over_budget", more memory than there is or more time than is given.
    """
    estimate = upscaler.estimate(size)
    if not estimate.fits:
        raise JobError(estimate.message, code="over_budget")
    if estimate.seconds > time_limit:
        share = math.sqrt(time_limit / estimate.seconds)
        smaller = (max(1, int(size[0] * share)), max(1, int(size[1] * share)))
        faster = "" if upscaler.name == DEFAULT_MODEL else "choose a faster model, or "
        raise JobError(
            f"{size_text(size)} would take this model about {estimate.seconds / 60:.0f} min; "
            f"the limit here is {time_limit / 60:.0f} min.",
            code="over_budget",
            remedy=f"{faster}crop or shrink the picture to {size_text(smaller)}.".capitalize(),
        )
    return estimate.message


def rough_estimate(name: str, included: Upscaler, size: tuple[int, int]) -> str:
    """Rough estimate of the time of a model that is not loaded: the included model's, by the MACs
    of both. Small networks do fewer of them a second, so this is rather long.

    Args:
        name: of the registry.
        included: the model whose speed is known here.
        size: (width, height).
    """
    entry = checkpoints.find(name)
    if entry is None:
        return f"Your picture has {size_text(size)}."
    more = macs_per_pixel(entry.config) / macs_per_pixel(included.config)
    seconds = more * included.estimate(size).seconds
    return (
        f"About {duration(seconds)} for {size_text(size)}, judged by the included model's speed "
        "here. Time and memory are told exactly when the model is loaded, before it begins."
    )


def progress_text(step: Step) -> str:
    """Progress of the tiles, and the time left."""
    line = f"Tile {min(step.done + 1, step.total)} of {step.total}, {step.seconds:.0f} s so far"
    if step.seconds_left is None:
        return f"{line}."
    return f"{line}, about {math.ceil(step.seconds_left)} s left."


def report_text(report: Report) -> str:
    """Report of a run: sizes, time, weights, number format, and what a person should know."""
    weights = [ORIGINS.get(report.origin, report.origin)]
    if report.sha256:
        weights.append(f"sha256 {report.sha256[:12]}")
    width, height = report.input_size
    lines = [
        f"{width}x{height} to {size_text(report.output_size)} in {report.seconds:.1f} s.",
        f"Model **{escape_markdown(report.model)}** ({', '.join(weights)}), {report.precision}, "
        f"{report.tiles} tile{'s' if report.tiles > 1 else ''}.",
    ]
    return (
        "\n\n".join(lines) + "\n" + "".join(f"\n- {escape_markdown(note)}" for note in report.notes)
    )
