"""Batch job: pictures restored in turn, each with its own outcome; finished ones stay."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from swin2sr.demo.jobs.restore import (
    FAMILY,
    RestoreRequest,
    RestoreResult,
    gpu_seconds,
    restore_image,
)
from swin2sr.demo.messages import escape_markdown, size_text
from swin2sr.demo.middleware import UPLOAD_FILES
from swin2sr.demo.models import describe_model, task_model
from swin2sr.demo.queue import Job, Update, Updates
from swin2sr.demo.service import LIMITS, Service, log_fault
from swin2sr.errors import ImageError, JobError, Swin2SRError
from swin2sr.images import output_name

FILE_LIMIT = UPLOAD_FILES
BYTE_LIMIT = LIMITS.bytes  # of all files
ARCHIVE = f"{FAMILY}_results.zip"
NOT_REACHED = "Not reached."


@dataclass(frozen=True)
class Outcome:
    """Outcome of one picture.

    Args:
        number: its place among those that were sent, from 1.
        name: of the result; like the file's own, cleaned.
        text: one sentence or two.
        code: "done", "waiting" (not reached), "cut" (not finished), "fault", or an error's.
        file: the result, a PNG; None without one.
    """

    number: int
    name: str
    text: str = NOT_REACHED
    code: str = "waiting"
    file: str | None = None

    @property
    def title(self) -> str:
        """Name of the result, or where there is none that of the picture."""
        return self.name if self.file else self.name.rpartition(f"_{FAMILY}_x")[0]


@dataclass(frozen=True)
class BatchResult:
    """Results of a batch so far.

    Args:
        outcomes: one a picture, in their order.
        archive: at the end, a zip of all results; None while it goes on, and without results.
        ended: whether this is the end.
    """

    outcomes: tuple[Outcome, ...]
    archive: str | None = None
    ended: bool = False

    @property
    def files(self) -> list[str]:
        """Files of the results, in order."""
        return [one.file for one in self.outcomes if one.file]


class BatchJob:
    """Batch job: the action of the tab "Batch".

    Args:
        service: where it runs.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._network = service.on_gpu(self._restore_all, self._gpu_seconds)

    def run(
        self, owner: str, paths: Sequence[str], task: str, quality: str, keep_metadata: bool = False
    ) -> Generator[Update | None, None, None]:
        """Enlarge or repair pictures; a bad one does not stop the others.

        The time that one job has is for all of them together. When it is over, or the visitor
        stops, what is finished is handed over, and the others are named.

        Args:
            owner: who may stop it.
            paths: of at most 20 pictures, 10 MB in total.
            task, quality: keys of ``TASKS`` and ``QUALITIES``.
            keep_metadata: keep the camera's data.
        Returns:
            Updates as of ``Service.perform``; after each picture with the ``BatchResult`` so far.
        """

        def work(job: Job) -> Updates:
            model = task_model(task, quality)
            check_uploads(paths)
            yield from self._service.load_model(job, model)
            job.graceful = True
            with tempfile.TemporaryDirectory(prefix=f"{FAMILY}-") as folder:
                request = RestoreRequest("", model, folder, job.deadline, keep_metadata is True)
                scale = self._service.models.get(model).scale
                yield from self._run_network(job, request, list(paths), _result_names(paths, scale))

        return self._service.perform(owner, work, "batch")

    def preview(self, paths: Sequence[str], task: str, quality: str) -> str:
        """Preview of a job as Markdown: its model, and whether so many pictures can be taken."""
        lines = [""]
        try:
            lines[0] = describe_model(task_model(task, quality))
            if paths:
                size = check_uploads(paths)
                lines.append(
                    f"{_count_text(len(paths))}, {max(size / 1e6, 0.1):.1f} MB. There are "
                    f"{self._service.slot.time_limit / 60:.0f} min for all of them together; what "
                    "is finished by then is kept."
                )
        except Swin2SRError as error:
            lines[1:] = [f"**{escape_markdown(str(error))}**"]
        return "\n\n".join(lines)

    def _run_network(
        self, job: Job, request: RestoreRequest, paths: list[str], names: list[str]
    ) -> Updates:
        outcomes = [Outcome(number, name) for number, name in enumerate(names, 1)]
        with closing(self._network(request, paths, names)) as updates:
            for update in updates:
                if isinstance(update.result, Outcome):
                    outcomes[update.result.number - 1] = update.result
                    update = replace(update, result=BatchResult(tuple(outcomes)))
                yield update
                if job.is_set():
                    break
        done = [one for one in outcomes if one.file]
        job.log_fields.update(
            images=len(outcomes),
            images_done=len(done),
            image_outcomes=[one.code for one in outcomes],
        )
        archive = Path(request.folder, ARCHIVE)
        if done:
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:  # PNG is packed already
                for one in done:
                    file.write(str(one.file), one.name)
        ended = BatchResult(tuple(outcomes), str(archive) if done else None, ended=True)
        yield Update(self._summary(job, ended), len(outcomes), len(outcomes), ended)

    def _summary(self, job: Job, batch: BatchResult) -> str:
        """Summary of a batch: how it ended, then a line a picture."""
        total, done = len(batch.outcomes), len(batch.files)
        lines = [f"{done} of {_count_text(total)} done."]
        if job.end_reason == "stopped":
            lines[0] = f"Stopped. {lines[0]}"
        elif any(one.code in ("waiting", "cut") for one in batch.outcomes):
            lines[0] += (
                f" The time was over: {self._service.slot.time_limit:.0f} s is the limit here. "
                "Send those that were not reached again."
            )
        lines += [
            f"{one.number}. {escape_markdown(one.title)}: {one.text}" for one in batch.outcomes
        ]
        return lines[0] + "\n\n" + "\n".join(lines[1:])

    def _restore_all(self, request: RestoreRequest, paths: list[str], names: list[str]) -> Updates:
        """Restore one picture after the other, until the job's end; an ``Outcome`` each."""
        cancel = self._service.cancel_token(request.deadline)
        total = len(paths)
        for number, (path, name) in enumerate(zip(paths, names, strict=True), 1):
            if cancel is not None and cancel.is_set():
                return
            head = f"Picture {number} of {_count_text(total)}"
            outcome = Outcome(number, name)
            try:
                with tempfile.TemporaryDirectory(dir=request.folder) as own:
                    one = replace(request, path=path, folder=own)
                    for update in restore_image(self._service, one):
                        if isinstance(update.result, RestoreResult):
                            outcome = _finished(outcome, update.result, Path(request.folder, name))
                        else:
                            yield Update(f"{head}. {update.text}", number - 1, total)
            except Swin2SRError as error:
                if error.code == "cancelled":
                    cut = replace(outcome, text="Begun, but not finished.", code="cut")
                    yield Update(f"{head} was not finished.", number - 1, total, cut)
                    return
                outcome = replace(outcome, text=escape_markdown(str(error)), code=error.code)
            except Exception:  # noqa: BLE001 - logged there; the other pictures go on
                outcome = replace(outcome, text=log_fault()[1], code="fault")
            yield Update(f"{head} is done.", number, total, outcome)

    def _gpu_seconds(self, request: RestoreRequest, paths: list[str], names: list[str]) -> int:
        return gpu_seconds(self._service, request.model, paths)


def check_uploads(paths: Sequence[str]) -> int:
    """Check uploads against the limits of a batch; returns the bytes of all together.

    Raises:
        ImageError: "empty", none; "too_many_bytes". JobError: "over_budget", too many files.
    """
    if not paths:
        raise ImageError("There are no pictures yet.", code="empty", remedy="Upload some.")
    if len(paths) > FILE_LIMIT:
        raise JobError(
            f"There are {len(paths)} files; {FILE_LIMIT} at a time is the limit here.",
            code="over_budget",
            remedy="Send the others afterwards.",
        )
    size = sum(Path(path).stat().st_size for path in paths)
    if size > BYTE_LIMIT:
        raise ImageError(
            f"The files have {size / 1e6:.1f} MB together; the limit is {BYTE_LIMIT / 1e6:.0f} MB.",
            code="too_many_bytes",
            remedy="Send fewer at a time.",
        )
    return size


def _finished(outcome: Outcome, result: RestoreResult, target: Path) -> Outcome:
    """Outcome of a finished picture, its file moved to where it stays."""
    Path(result.after).replace(target)
    report = result.report
    width, height = report.input_size
    text = f"{width}x{height} to {size_text(report.output_size)} in {report.seconds:.1f} s."
    notes = "".join(f" {escape_markdown(note)}" for note in report.notes)
    return replace(outcome, text=text + notes, code="done", file=str(target))


def _result_names(paths: Sequence[str], scale: int) -> list[str]:
    """Names of the results, all different: files of one name get numbers."""
    names: list[str] = []
    for path in paths:
        name = output_name(Path(path).name, FAMILY, scale)
        stem, number = name.removesuffix(".png"), 2
        while name.casefold() in (other.casefold() for other in names):
            name = f"{stem}_{number}.png"
            number += 1
        names.append(name)
    return names


def _count_text(number: int) -> str:
    return "1 picture" if number == 1 else f"{number} pictures"
