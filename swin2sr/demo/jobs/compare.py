"""Compare job: a picture through several models in turn, scored where there is an original."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from swin2sr import checkpoints, images, metrics, plots
from swin2sr.demo.jobs.compare_request import (
    CompareRequest,
    ImagePair,
    make_image_pair,
    protocol_text,
    score_border,
)
from swin2sr.demo.jobs.compare_results import CompareResult, Comparison
from swin2sr.demo.jobs.restore import GPU_RATE, gpu_seconds
from swin2sr.demo.messages import escape_markdown, progress_text, size_text
from swin2sr.demo.models import COMPARE_TASKS, DEFAULT_MODEL, megabytes, missing_entry
from swin2sr.demo.queue import Job, Update, Updates
from swin2sr.demo.service import Service
from swin2sr.errors import JobError, Swin2SRError, WeightsError
from swin2sr.images.resize import BASELINES, enlarge
from swin2sr.inference.estimate import CORE_RATE, duration, macs_per_pixel


@dataclass(frozen=True)
class NetworkRun:
    """Run of a network: its seconds, its seconds a pixel of the input, and remarks."""

    seconds: float
    seconds_per_pixel: float
    notes: tuple[str, ...]


class CompareJob:
    """Compare job: the action of the tab "Compare".

    Args:
        service: where it runs.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._network = service.on_gpu(self._run_network, self._gpu_seconds)
        self._seconds_per_pixel: dict[str, float] = {}

    def run(self, owner: str, request: CompareRequest) -> Generator[Update | None, None, None]:
        """Run every model of a request; one that cannot be had costs the others nothing.

        Args:
            owner: who may stop it.
            request: what to compare.
        Returns:
            Updates as of ``Service.perform``; after each model with the ``Comparison`` so far,
            whose files are there until the next update.
        """

        def work(job: Job) -> Updates:
            valid = request.validated()
            pair = make_image_pair(valid)
            height, width = pair.given.shape[:2]
            job.log_fields.update(task=valid.task, input_size=(width, height))
            yield Update(self._cost_text(valid, (width, height)))
            with tempfile.TemporaryDirectory(prefix="swin2sr-") as folder:
                yield from self._compare(job, valid, pair, Path(folder))

        return self._service.perform(owner, work, "compare")

    def preview(self, request: CompareRequest) -> str:
        """Preview of a comparison as Markdown: its cost, or why it cannot be."""
        try:
            valid = request.validated()
            if valid.path is None:
                return "Choose a picture."
            height, width = make_image_pair(valid).given.shape[:2]
            lines = [self._cost_text(valid, (width, height))]
        except Swin2SRError as error:
            return f"**{escape_markdown(str(error))}**"
        size = sum(megabytes(entry) for name in valid.models if (entry := missing_entry(name)))
        if size:
            lines.append(f"What is not here yet is downloaded first, {size:.0f} MB at most.")
        return " ".join(lines)

    def _compare(self, job: Job, request: CompareRequest, pair: ImagePair, folder: Path) -> Updates:
        task = COMPARE_TASKS[request.task]
        height, width = pair.given.shape[:2]
        given = folder / "input.png"
        _save(pair.given, given)
        original = ""
        if pair.original is not None:
            original = str(folder / images.output_name(str(request.path), "original", 1))
            _save(pair.original, Path(original))
        comparison = Comparison(
            size=(width * task.scale, height * task.scale),
            original=original or None,
            requested=len(request.models),
            results=(),
            protocol=protocol_text(request) if original else "",
            notes=pair.notes,
        )
        for number, name in enumerate(request.models, 1):
            head = f"{number} of {len(request.models)}: {name}"
            file = folder / images.output_name(str(request.path), name, task.scale)
            if name in BASELINES:
                yield Update(f"{head}.")
                start = time.perf_counter()
                _save(enlarge(name, pair.given, task.scale), file)
                result = CompareResult(name, str(file), seconds=time.perf_counter() - start)
            else:
                result = yield from self._network_result(job, head, name, given, file)
            if result.file and pair.original is not None:
                result = _scored(result, pair.original, task.scale)
            comparison = replace(comparison, results=(*comparison.results, result))
            text = comparison_text(comparison) if comparison.is_complete else f"{head} is done."
            yield Update(text, number, len(request.models), comparison)

    def _network_result(
        self, job: Job, head: str, name: str, given: Path, file: Path
    ) -> Generator[Update, None, CompareResult]:
        """Result of one network, or a sentence in its place."""
        try:
            loading = self._service.load_model(job, name)
            yield from (replace(update, text=f"{head}. {update.text}") for update in loading)
            left = job.deadline - job.clock()
            for update in self._network(str(given), name, str(file), left):
                if isinstance(update.result, NetworkRun):
                    run = update.result
                    self._seconds_per_pixel[name] = run.seconds_per_pixel
                    remark = " ".join(run.notes)
                    return CompareResult(name, str(file), seconds=run.seconds, remark=remark)
                text = f"{head}, {update.text[:1].lower()}{update.text[1:]}"
                yield replace(update, text=text)
        except (JobError, WeightsError) as error:
            if job.is_set():  # the whole job is over
                raise
            return CompareResult(name, remark=error.message)
        raise AssertionError("a network's run ended without a result")

    def _run_network(self, given: str, name: str, file: str, left: float) -> Updates:
        """Run one network over the picture, within the seconds that are left."""
        upscaler = self._service.models.get(name)
        picture = images.decode(given)
        estimate = upscaler.estimate(picture.size)
        if not estimate.fits:
            raise JobError(estimate.message, code="over_budget")
        if estimate.seconds > left:
            raise JobError(
                f"It was left out: it would take about {estimate.seconds:.0f} s, and {left:.0f} s "
                "are left.",
                code="over_budget",
            )
        width, height = picture.size
        seconds_per_pixel = estimate.seconds / (width * height)
        cancel = self._service.cancel_token(time.monotonic() + left)
        for step in upscaler.stream(picture, cancel=cancel):
            if step.picture is None or step.report is None:
                yield Update(progress_text(step), step.done, step.total)
                continue
            images.encode(step.picture, file, format="png")
            run = NetworkRun(step.seconds, seconds_per_pixel, step.report.notes)
            yield Update("Done.", step.done, step.total, run)

    def _gpu_seconds(self, given: str, name: str, file: str, left: float) -> int:
        return max(1, min(math.ceil(left), gpu_seconds(self._service, name, [given])))

    def _cost_text(self, request: CompareRequest, size: tuple[int, int]) -> str:
        """Cost of all networks together, about, in words; "over_budget" above memory or time."""
        task, limit = COMPARE_TASKS[request.task], self._service.slot.time_limit
        networks = [name for name in request.models if name not in BASELINES]
        if not networks:
            return f"{size_text(size)} go in; no network runs."
        seconds = sum(self._expected_seconds(name, size) for name in networks)
        if seconds > limit:
            share = math.sqrt(limit / seconds)
            smaller = (max(1, int(size[0] * share)), max(1, int(size[1] * share)))
            if request.mode == "test":
                smaller = (smaller[0] * task.scale, smaller[1] * task.scale)
            raise JobError(
                f"{len(networks)} network{'s' if len(networks) > 1 else ''} would take about "
                f"{duration(seconds)} for {size_text(size)}; the limit here is {duration(limit)}.",
                code="over_budget",
                remedy="Choose fewer models, or crop or shrink the picture to "
                f"{size_text(smaller)}.",
            )
        several = f"{len(networks)} networks, one after the other" if networks[1:] else "1 network"
        return f"{size_text(size)} go in; about {duration(seconds)} for {several}."

    def _expected_seconds(self, name: str, size: tuple[int, int]) -> float:
        """Seconds of a network: measured where it ran before, else by its MACs; "over_budget"
        where it is known not to fit the memory.
        """
        area = size[0] * size[1]
        upscaler = None if self._service.lends_gpu else self._service.models.peek(name)
        if upscaler is not None:
            estimate = upscaler.estimate(size)
            if not estimate.fits:
                raise JobError(estimate.message, code="over_budget")
            return estimate.seconds
        if name in self._seconds_per_pixel:
            return self._seconds_per_pixel[name] * area
        entry = checkpoints.find(name)
        assert entry is not None  # validated with the request
        return macs_per_pixel(entry.config) * area / self._macs_per_second()

    def _macs_per_second(self) -> float:
        """MACs a second, about, of networks that have not run yet."""
        if self._service.lends_gpu:
            return GPU_RATE
        rate = CORE_RATE * torch.get_num_threads()
        known = self._service.models.peek(DEFAULT_MODEL)
        if known is None:
            return rate
        side = 512
        seconds = known.estimate((side, side)).seconds
        # The included network is small, and small ones do fewer a second than large ones do.
        return max(rate, macs_per_pixel(known.config) * side * side / seconds)


def comparison_text(comparison: Comparison) -> str:
    """Comparison as Markdown: the table, the protocol, and what the numbers do not say."""
    parts = [comparison.markdown(with_remarks=False)]
    if comparison.protocol:
        parts += [
            escape_markdown(comparison.protocol),
            "PSNR counts how far each pixel is off; it is not beauty. A blurred result can score "
            "higher than a sharp one that looks better: judge with your own eyes, too.",
        ]
    remarks = [f"{one.name}: {one.remark}" for one in comparison.results if one.remark]
    lines = [f"- {escape_markdown(line)}" for line in (*remarks, *comparison.notes)]
    parts.append("\n".join(lines))
    return "\n\n".join(filter(None, parts))


def _save(image: np.ndarray, file: Path) -> None:
    Image.fromarray(image).save(file, compress_level=1)


def _scored(result: CompareResult, original: np.ndarray, scale: int) -> CompareResult:
    """Score the pixels of a result's file, and draw an error map beside it."""
    file = Path(str(result.file))
    with Image.open(file) as image:
        restored = np.asarray(image.convert("RGB"))
    wanted = original if original.ndim == 3 else np.repeat(original[..., None], 3, axis=2)
    outside = score_border(scale)
    errors = file.with_stem(f"{file.stem}_errors")
    _save(plots.error_colours(plots.error_map(restored, wanted)), errors)
    return replace(
        result,
        errors=str(errors),
        psnr=metrics.psnr(restored, wanted, border=outside),
        ssim=metrics.ssim(restored, wanted, border=outside),
    )
