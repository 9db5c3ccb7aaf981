"""One picture through several models, one after the other, scored where there is an original."""

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
from swin2sr.demo.jobs.compare_request import Pair, Trial, border, make_pair, protocol
from swin2sr.demo.jobs.compare_results import Comparison, Result
from swin2sr.demo.jobs.restore import GPU_RATE, gpu_seconds
from swin2sr.demo.messages import pixels, plain, standing
from swin2sr.demo.models import INCLUDED, KINDS, download, megabytes
from swin2sr.demo.queue import Job, Update, Updates
from swin2sr.demo.service import Service
from swin2sr.errors import JobError, Swin2SRError, WeightsError
from swin2sr.images.resize import BASELINES, enlarge
from swin2sr.inference import estimate as budget
from swin2sr.inference.estimate import duration


@dataclass(frozen=True)
class Ran:
    """What a network's run has left: seconds, seconds for a pixel of input, remarks."""

    seconds: float
    pace: float
    notes: tuple[str, ...]


class Comparing:
    """The action of the tab "Compare".

    Args:
        service: where it runs.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._restored = service.on_gpu(self._restore, self._seconds)
        self._paces: dict[str, float] = {}

    def run(self, owner: str, trial: Trial) -> Generator[Update | None, None, None]:
        """Run every model of a trial; one that cannot be had costs the others nothing.

        Args:
            owner: who may stop it.
            trial: what to compare.
        Yields:
            As ``Service.perform``; after each model a result, the ``Comparison`` so far, with
            files that are there until the next update.
        """

        def work(job: Job) -> Updates:
            checked = trial.checked()
            pair = make_pair(checked)
            height, width = pair.given.shape[:2]
            job.facts.update(task=checked.kind, input=(width, height))
            yield Update(self._cost(checked, (width, height)))
            with tempfile.TemporaryDirectory(prefix="swin2sr-") as folder:
                yield from self._compare(job, checked, pair, Path(folder))

        yield from self._service.perform(owner, work, "compare")

    def look(self, trial: Trial) -> str:
        """What a comparison will take, or why it cannot be, as Markdown."""
        try:
            checked = trial.checked()
            if checked.path is None:
                return "Choose a picture."
            height, width = make_pair(checked).given.shape[:2]
            lines = [self._cost(checked, (width, height))]
        except Swin2SRError as error:
            return f"**{plain(str(error))}**"
        size = sum(megabytes(entry) for name in checked.models if (entry := download(name)))
        if size:
            lines.append(f"What is not here yet is downloaded first, {size:.0f} MB at most.")
        return " ".join(lines)

    def _compare(self, job: Job, trial: Trial, pair: Pair, folder: Path) -> Updates:
        kind = KINDS[trial.kind]
        height, width = pair.given.shape[:2]
        given = folder / "input.png"
        _save(pair.given, given)
        original = ""
        if pair.original is not None:
            original = str(folder / images.output_name(str(trial.path), "original", 1))
            _save(pair.original, Path(original))
        comparison = Comparison(
            size=(width * kind.scale, height * kind.scale),
            original=original or None,
            asked=len(trial.models),
            results=(),
            protocol=protocol(trial) if original else "",
            notes=pair.notes,
        )
        for number, name in enumerate(trial.models, 1):
            head = f"{number} of {len(trial.models)}: {name}"
            file = folder / images.output_name(str(trial.path), name, kind.scale)
            if name in BASELINES:
                yield Update(f"{head}.")
                start = time.perf_counter()
                _save(enlarge(name, pair.given, kind.scale), file)
                result = Result(name, str(file), seconds=time.perf_counter() - start)
            else:
                result = yield from self._network(job, head, name, given, file)
            if result.file and pair.original is not None:
                result = _scored(result, pair.original, kind.scale)
            comparison = replace(comparison, results=(*comparison.results, result))
            text = summary(comparison) if comparison.is_complete else f"{head} is done."
            yield Update(text, number, len(trial.models), comparison)

    def _network(
        self, job: Job, head: str, name: str, given: Path, file: Path
    ) -> Generator[Update, None, Result]:
        """One network's result, or a sentence in its place."""
        try:
            getting = self._service.model(job, name)
            yield from (replace(update, text=f"{head}. {update.text}") for update in getting)
            left = job.ends - job.clock()
            for update in self._restored(str(given), name, str(file), left):
                if isinstance(update.result, Ran):
                    ran = update.result
                    self._paces[name] = ran.pace
                    return Result(name, str(file), seconds=ran.seconds, remark=" ".join(ran.notes))
                text = f"{head}, {update.text[:1].lower()}{update.text[1:]}"
                yield replace(update, text=text)
        except (JobError, WeightsError) as error:
            if job.is_set():  # the whole job is over
                raise
            return Result(name, remark=error.message)
        raise AssertionError("a network's run ended without a result")

    def _restore(self, given: str, name: str, file: str, left: float) -> Updates:
        """Run one network over the picture, within the seconds that are left."""
        upscaler = self._service.shelf.get(name)
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
        pace = estimate.seconds / (width * height)
        cancel = self._service.cancel(time.monotonic() + left)
        for step in upscaler.stream(picture, cancel=cancel):
            if step.picture is None or step.report is None:
                yield Update(standing(step), step.done, step.total)
                continue
            images.encode(step.picture, file, format="png")
            ran = Ran(step.seconds, pace, step.report.notes)
            yield Update("Done.", step.done, step.total, ran)

    def _seconds(self, given: str, name: str, file: str, left: float) -> int:
        """Seconds of a GPU to ask for."""
        return max(1, min(math.ceil(left), gpu_seconds(self._service, name, [given])))

    def _cost(self, trial: Trial, size: tuple[int, int]) -> str:
        """What all networks together will take, about, in words.

        Raises:
            JobError: "over_budget", more memory or more time than there is.
        """
        kind, deadline = KINDS[trial.kind], self._service.slot.deadline
        networks = [name for name in trial.models if name not in BASELINES]
        if not networks:
            return f"{pixels(size)} go in; no network runs."
        seconds = sum(self._expected(name, size) for name in networks)
        if seconds > deadline:
            share = math.sqrt(deadline / seconds)
            smaller = (max(1, int(size[0] * share)), max(1, int(size[1] * share)))
            if trial.test == "test":
                smaller = (smaller[0] * kind.scale, smaller[1] * kind.scale)
            raise JobError(
                f"{len(networks)} network{'s' if len(networks) > 1 else ''} would take about "
                f"{duration(seconds)} for {pixels(size)}; the limit here is {duration(deadline)}.",
                code="over_budget",
                remedy=f"Choose fewer models, or crop or shrink the picture to {pixels(smaller)}.",
            )
        several = f"{len(networks)} networks, one after the other" if networks[1:] else "1 network"
        return f"{pixels(size)} go in; about {duration(seconds)} for {several}."

    def _expected(self, name: str, size: tuple[int, int]) -> float:
        """Seconds of a network: measured where it ran before, else from its arithmetic.

        Raises:
            JobError: "over_budget", it is known not to fit the memory.
        """
        area = size[0] * size[1]
        upscaler = None if self._service.lends else self._service.shelf.look(name)
        if upscaler is not None:
            estimate = upscaler.estimate(size)
            if not estimate.fits:
                raise JobError(estimate.message, code="over_budget")
            return estimate.seconds
        if name in self._paces:
            return self._paces[name] * area
        entry = checkpoints.find(name)
        assert entry is not None  # checked with the trial
        return budget.multiplications(entry.config) * area / self._rate()

    def _rate(self) -> float:
        """Multiplications a second, about, of networks that have not run yet."""
        if self._service.lends:
            return GPU_RATE
        rate = budget.CORE_RATE * torch.get_num_threads()
        known = self._service.shelf.look(INCLUDED)
        if known is None:
            return rate
        side = 512
        seconds = known.estimate((side, side)).seconds
        # The included network is small, and small ones do fewer a second than large ones do.
        return max(rate, budget.multiplications(known.config) * side * side / seconds)


def summary(comparison: Comparison) -> str:
    """What came out, as Markdown: the table, the protocol, and what the numbers do not say."""
    parts = [comparison.markdown(with_remarks=False)]
    if comparison.protocol:
        parts += [
            plain(comparison.protocol),
            "PSNR counts how far each pixel is off; it is not beauty. A blurred result can score "
            "higher than a sharp one that looks better: judge with your own eyes, too.",
        ]
    remarks = [f"- {one.name}: {plain(one.remark)}" for one in comparison.results if one.remark]
    parts += ["\n".join([*remarks, *(f"- {plain(note)}" for note in comparison.notes)])]
    return "\n\n".join(filter(None, parts))


def _save(image: np.ndarray, file: Path) -> None:
    Image.fromarray(image).save(file, compress_level=1)


def _scored(result: Result, original: np.ndarray, scale: int) -> Result:
    """The same with scores of the file's pixels, and an error map beside it."""
    file = Path(str(result.file))
    with Image.open(file) as image:
        restored = np.asarray(image.convert("RGB"))
    wanted = original if original.ndim == 3 else np.repeat(original[..., None], 3, axis=2)
    outside = border(scale)
    errors = file.with_stem(f"{file.stem}_errors")
    _save(plots.error_colours(plots.error_map(restored, wanted)), errors)
    return replace(
        result,
        errors=str(errors),
        psnr=metrics.psnr(restored, wanted, border=outside),
        ssim=metrics.ssim(restored, wanted, border=outside),
    )
