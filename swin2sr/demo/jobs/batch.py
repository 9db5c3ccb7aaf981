"""Many pictures restored one after the other: each has its own outcome, and what is done stays."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from swin2sr.demo.jobs.restore import FAMILY, Restored, Wish, gpu_seconds, restore
from swin2sr.demo.messages import pixels, plain
from swin2sr.demo.middleware import UPLOAD_FILES
from swin2sr.demo.models import describe, model_for
from swin2sr.demo.queue import Job, Update, Updates
from swin2sr.demo.service import LIMITS, Service, fault
from swin2sr.errors import ImageError, JobError, Swin2SRError
from swin2sr.images import output_name

MOST_FILES = UPLOAD_FILES
MOST_BYTES = LIMITS.bytes  # of all files
ARCHIVE = f"{FAMILY}_results.zip"
NOT_REACHED = "Not reached."


@dataclass(frozen=True)
class Outcome:
    """What became of one picture.

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
        """The result's name, or where there is none that of the picture."""
        return self.name if self.file else self.name.rpartition(f"_{FAMILY}_x")[0]


@dataclass(frozen=True)
class Batch:
    """What a batch has made so far.

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
        """The results, in order."""
        return [one.file for one in self.outcomes if one.file]


class Batching:
    """The action of the tab "Batch".

    Args:
        service: where it runs.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._restored = service.on_gpu(self._restore, self._seconds)

    def run(
        self,
        owner: str,
        paths: Sequence[str],
        task: str,
        quality: str,
        keep_metadata: bool = False,
    ) -> Generator[Update | None, None, None]:
        """Enlarge or repair pictures; a bad one does not stop the others.

        The time that one job has is for all of them together. When it is over, or the visitor
        stops, what is finished is handed over, and the others are named.

        Args:
            owner: who may stop it.
            paths: of at most 20 pictures, 10 MB in total.
            task, quality: keys of ``TASKS`` and ``QUALITIES``.
            keep_metadata: keep the camera's data.
        Yields:
            As ``Service.perform``; after each picture a result, the ``Batch`` so far.
        """

        def work(job: Job) -> Updates:
            name = model_for(task, quality)
            check(paths)
            yield from self._service.model(job, name)
            job.keeps = True
            with tempfile.TemporaryDirectory(prefix=f"{FAMILY}-") as folder:
                wish = Wish("", name, folder, job.ends, keep_metadata is True)
                scale = self._service.shelf.get(name).scale
                yield from self._batch(job, wish, list(paths), _names(paths, scale))

        yield from self._service.perform(owner, work, "batch")

    def look(self, paths: Sequence[str], task: str, quality: str) -> str:
        """The model that is meant, and whether so many pictures can be taken, as Markdown."""
        lines = [""]
        try:
            lines[0] = describe(model_for(task, quality))
            if paths:
                size = check(paths)
                lines.append(
                    f"{_count(len(paths))}, {max(size / 1e6, 0.1):.1f} MB. There are "
                    f"{self._service.slot.deadline / 60:.0f} min for all of them together; what is "
                    "finished by then is kept."
                )
        except Swin2SRError as error:
            lines[1:] = [f"**{plain(str(error))}**"]
        return "\n\n".join(lines)

    def _batch(self, job: Job, wish: Wish, paths: list[str], names: list[str]) -> Updates:
        outcomes = [Outcome(number, name) for number, name in enumerate(names, 1)]
        with closing(self._restored(wish, paths, names)) as updates:
            for update in updates:
                if isinstance(update.result, Outcome):
                    outcomes[update.result.number - 1] = update.result
                    update = replace(update, result=Batch(tuple(outcomes)))
                yield update
                if job.is_set():
                    break
        done = [one for one in outcomes if one.file]
        job.facts.update(
            pictures=len(outcomes), done=len(done), codes=[one.code for one in outcomes]
        )
        archive = Path(wish.folder, ARCHIVE)
        if done:
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:  # PNG is packed already
                for one in done:
                    file.write(str(one.file), one.name)
        ended = Batch(tuple(outcomes), str(archive) if done else None, ended=True)
        yield Update(self._told(job, ended), len(outcomes), len(outcomes), ended)

    def _told(self, job: Job, batch: Batch) -> str:
        """The whole batch in words: how it ended, then a line a picture."""
        total, done = len(batch.outcomes), len(batch.files)
        lines = [f"{done} of {_count(total)} done."]
        if job.why == "stopped":
            lines[0] = f"Stopped. {lines[0]}"
        elif any(one.code in ("waiting", "cut") for one in batch.outcomes):
            lines[0] += (
                f" The time was over: {self._service.slot.deadline:.0f} s is the limit here. "
                "Send those that were not reached again."
            )
        lines += [f"{one.number}. {plain(one.title)}: {one.text}" for one in batch.outcomes]
        return lines[0] + "\n\n" + "\n".join(lines[1:])

    def _restore(self, wish: Wish, paths: list[str], names: list[str]) -> Updates:
        """One picture after the other, until the job's end; an ``Outcome`` each."""
        cancel = self._service.cancel(wish.ends)
        total = len(paths)
        for number, (path, name) in enumerate(zip(paths, names, strict=True), 1):
            if cancel is not None and cancel.is_set():
                return
            head = f"Picture {number} of {_count(total)}"
            outcome = Outcome(number, name)
            try:
                with tempfile.TemporaryDirectory(dir=wish.folder) as own:
                    for update in restore(self._service, replace(wish, path=path, folder=own)):
                        if isinstance(update.result, Restored):
                            outcome = _kept(outcome, update.result, Path(wish.folder, name))
                        else:
                            yield Update(f"{head}. {update.text}", number - 1, total)
            except Swin2SRError as error:
                if error.code == "cancelled":
                    cut = replace(outcome, text="Begun, but not finished.", code="cut")
                    yield Update(f"{head} was not finished.", number - 1, total, cut)
                    return
                outcome = replace(outcome, text=plain(str(error)), code=error.code)
            except Exception:  # noqa: BLE001 - logged there; the other pictures go on
                outcome = replace(outcome, text=fault()[1], code="fault")
            yield Update(f"{head} is done.", number, total, outcome)

    def _seconds(self, wish: Wish, paths: list[str], names: list[str]) -> int:
        """Seconds of a GPU to ask for."""
        return gpu_seconds(self._service, wish.name, paths)


def check(paths: Sequence[str]) -> int:
    """The bytes of all pictures together, when they are not too many.

    Raises:
        ImageError: "empty", none; "too_many_bytes". JobError: "over_budget", too many files.
    """
    if not paths:
        raise ImageError("There are no pictures yet.", code="empty", remedy="Upload some.")
    if len(paths) > MOST_FILES:
        raise JobError(
            f"There are {len(paths)} files; {MOST_FILES} at a time is the limit here.",
            code="over_budget",
            remedy="Send the others afterwards.",
        )
    size = sum(Path(path).stat().st_size for path in paths)
    if size > MOST_BYTES:
        raise ImageError(
            f"The files have {size / 1e6:.1f} MB together; the limit is {MOST_BYTES / 1e6:.0f} MB.",
            code="too_many_bytes",
            remedy="Send fewer at a time.",
        )
    return size


def _kept(outcome: Outcome, made: Restored, target: Path) -> Outcome:
    """The outcome of a finished picture, its file moved to where it stays."""
    Path(made.after).replace(target)
    report = made.report
    width, height = report.input_size
    text = f"{width}x{height} to {pixels(report.output_size)} in {report.seconds:.1f} s."
    notes = "".join(f" {plain(note)}" for note in report.notes)
    return replace(outcome, text=text + notes, code="done", file=str(target))


def _names(paths: Sequence[str], scale: int) -> list[str]:
    """Names of the results, all different: two files of one name get numbers."""
    names: list[str] = []
    for path in paths:
        name = output_name(Path(path).name, FAMILY, scale)
        stem, number = name.removesuffix(".png"), 2
        while name.casefold() in (other.casefold() for other in names):
            name = f"{stem}_{number}.png"
            number += 1
        names.append(name)
    return names


def _count(number: int) -> str:
    return "1 picture" if number == 1 else f"{number} pictures"
