"""Session of a run: models on sets, image by image, to be interrupted, shared and repeated.

    python -m eval run --model bicubic swin2sr-small-x2 --data benchmarks --set Set5 --out results

From Python, ``evaluate(enlarger("swin2sr-small-x2", 2, "official"), find(folder, "Set5", 2))``
yields the scores of one model on one set.

torchrun starts a run on several processes, on one machine or many; gloo joins them:

    torchrun --nproc-per-node 4 -m eval run ...                  # one machine

    torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d \\
        --rdzv-endpoint first-machine:29400 --rdzv-id any-word -m eval run ...   # on each machine

Every process plans the same run, takes every n-th image that is not done, and writes a row log of
its own; the first one gathers all rows at the end and writes the tables. Machines need the same
data, weights and versions (that is checked before anything runs), but no common disk: what an
unfinished run left on each machine's own ``--out`` is gathered, too. Tables are those of one
process when ``--threads`` is the same, on the same kind of processor.

What happens when something fails. A wrong argument or a missing file: every process ends with the
error of the first one that has it. A process that dies: torchrun ends the others of its machine and
returns an error; the others' connections to it break, and they end, too. A machine that vanishes
without closing its connections is noticed when the first process waits for its rows, after
``TIMEOUT``. The row logs keep every finished image, so the same command goes on from there;
``--max-restarts N`` lets torchrun do that by itself. For machines that are missing at the start,
torchrun waits as long as its ``--rdzv-conf join_timeout=600`` says.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np
import torch

from eval.run import manifest, plan, saved_images
from eval.run.means import MEANS, in_order, means, task_title, write_means
from eval.run.models import Enlarge, Settings, enlarger, open_model
from eval.run.plan import Plan, Request, Task
from eval.run.profile import Cost, measure_cost
from eval.run.progress import ProgressBar
from eval.run.protocol import Protocol, Scores
from eval.run.rows import Row, RowLog, TableCell, merge, read, rounded
from eval.sets import datasets
from eval.sets.datasets import Benchmark, Pair
from eval.sets.degradations import Degradation, usual
from swin2sr.console import Console, as_failure
from swin2sr.errors import ConfigError, OutputError
from swin2sr.filesystem import lock_folder
from swin2sr.inference.hardware import available_cores, prepare_process
from swin2sr.training.distributed import Rank, init_distributed

__all__ = ["Result", "Score", "enlarger", "evaluate", "mean", "run"]

# Timeout of processes that wait for the slowest: longer than any share of a run may take. A process
# that dies closes its connections and is noticed at once; this is for machines that vanish.
TIMEOUT = timedelta(hours=24)


@dataclass(frozen=True)
class Score:
    """Score of one image: its name, PSNR (dB) and SSIM on Y, and seconds of enlarging."""

    name: str
    psnr: float
    ssim: float
    seconds: float


@dataclass(frozen=True)
class Result:
    """Result of a run.

    Args:
        rows: every row of the folder (without one: of this run), in order.
        sets: the manifest's. failures: images and what was wrong with them.
        codes: the exit codes of the failures. measured: images of this run.
        padding: of the models' inputs; "none" where all of them are baselines.
        is_first: whether this process is the one that tells people.
    """

    rows: list[Row]
    sets: dict[str, Any]
    failures: list[str]
    codes: set[int]
    measured: int
    padding: str
    is_first: bool

    @property
    def exit_code(self) -> int:
        """0, or 1 when images failed; if all did for one reason, that reason's."""
        if not self.failures:
            return 0
        return self.codes.pop() if not self.rows and len(self.codes) == 1 else 1


def evaluate(
    enlarge: Enlarge, benchmark: Benchmark, protocol: Protocol | None = None
) -> Iterator[Score]:
    """Score the images of a set one after the other, after bicubic downscale (x1: JPEG 40).

    Args:
        enlarge: (h, w, 3) or (h, w) uint8 -> the same kind, sides times the scale.
        benchmark: from ``datasets.find``. protocol: by default that of the published scripts.
    Yields:
        ``Score`` in the benchmark's order.
    Raises:
        ImageError: a file that cannot be used. ShapeError: ``enlarge`` gave another size.
    """
    protocol, degradation = protocol or Protocol(), usual(benchmark.scale)[-1]
    for item in benchmark.items:
        pair = datasets.load(item, benchmark.scale, make_lr=protocol.make_lr)
        done = _measure(enlarge, pair, benchmark.scale, degradation, protocol, "cpu")
        yield Score(item.name, done.scores.psnr, done.scores.ssim, done.cost.seconds)


def mean(scores: Sequence[Score]) -> Score:
    """Mean of the per-image values, called "mean"."""
    count = len(scores)
    return Score(
        "mean",
        sum(score.psnr for score in scores) / count,
        sum(score.ssim for score in scores) / count,
        sum(score.seconds for score in scores) / count,
    )


def run(request: Request, console: Console, threads: int | None = None) -> Result:
    """Do what was asked for, or the rest of it.

    Args:
        request: what. console: for notes, failures and the progress bar.
        threads: of each process; None shares the machine's cores among its processes.
    Returns:
        The result, the same in every process.
    Raises:
        ConfigError, WeightsError, OutputError, JobError, Swin2SRError: before anything is measured,
        or when results cannot be kept.
    """
    with init_distributed(timeout=TIMEOUT) as rank:
        prepare_process()
        torch.set_num_threads(threads or max(1, available_cores() // rank.local_world_size))
        request = replace(
            request, threads=torch.get_num_threads(), settings=_on_device(request.settings, rank)
        )
        made = _planned(request, rank)
        if rank.is_first:
            for note in made.notes:
                console.tell(f"note: {note}")
        with ExitStack() as stack:
            out = request.out if rank.is_first else None
            rank.agree(lambda: stack.enter_context(lock_folder(out)) if out else None)
            return _Session(request, made, rank, console).work()


def _planned(request: Request, rank: Rank) -> Plan:
    """Every process's plan; of those on one machine, the first one fetches what must be fetched."""
    leads = rank.local_rank == 0
    made = rank.agree(lambda: plan.make_plan(request) if leads else None)
    return rank.agree(lambda: made or plan.make_plan(request))


def _on_device(settings: Settings, rank: Rank) -> Settings:
    """Processes of one machine take its GPUs in turn."""
    gpus = torch.cuda.device_count()
    if gpus and settings.device in ("auto", "cuda"):
        return replace(settings, device=f"cuda:{rank.local_rank % gpus}")
    return settings


@dataclass
class _Session:
    """Session of a run: one call of ``run`` in one process."""

    request: Request
    plan: Plan
    rank: Rank
    console: Console
    failures: list[str] = field(default_factory=list)
    codes: set[int] = field(default_factory=set)
    run_as: dict[str, Any] = field(default_factory=dict)

    def work(self) -> Result:
        """Measure this process's share of what is left; the first process writes the tables."""
        start = time.monotonic()
        facts = self._open_manifest()
        before = self._rows_so_far()
        tasks = [t for t in self.plan.tasks if (t.cell, t.item.name) not in before]
        if self.rank.is_first and len(tasks) < len(self.plan.tasks):
            here = len(self.plan.tasks) - len(tasks)
            self.console.tell(f"note: {here} of {len(self.plan.tasks)} images are done already.")
        share = tasks[self.rank.rank :: self.rank.world_size]
        rows = list(self._measure_all(share))
        told = (rows, self.failures, self.codes, self.run_as, manifest.machine(), _peak_memory())
        shares = self.rank.gather(told)
        for new, *_ in shares:
            before |= {row.key: row for row in new}
        result = Result(
            rows=in_order(before.values(), list(facts["models"])),
            sets=facts["sets"],
            failures=[line for _, lines, *_ in shares for line in lines],
            codes={code for _, _, codes, *_ in shares for code in codes},
            measured=sum(len(new) for new, *_ in shares),
            padding=self._padding(),
            is_first=self.rank.is_first,
        )
        seconds = time.monotonic() - start
        self.rank.agree(lambda: self._close(facts, result, shares, seconds))
        return result

    def _padding(self) -> str:
        learned = [model for model in self.plan.models.values() if not model.is_baseline]
        return self.request.settings.padding if learned else "none"

    def _open_manifest(self) -> dict[str, Any]:
        """Open the folder's manifest with this run in it; refuse what cannot be of one folder."""
        mine = self.rank.agree(lambda: plan.identity(self.plan, self.request))
        first = self.rank.gather(mine)[0]
        self.rank.agree(lambda: self._require_same(first, mine))

        def opened() -> dict[str, Any] | None:
            if not self.rank.is_first:
                return None
            out = self.request.out
            facts = manifest.merged(manifest.read(out) if out else None, mine)
            if out:
                manifest.write(out, facts)
            return facts

        return self.rank.gather(self.rank.agree(opened))[0] or {}

    def _require_same(self, first: dict[str, Any], mine: dict[str, Any]) -> None:
        found = list(manifest.differences(first, mine))
        if found:
            raise ConfigError(
                f"Process {self.rank.rank} differs from the first one: {'; '.join(found)}.",
                remedy="All machines need the same versions, weights, images and settings.",
            )

    def _rows_so_far(self) -> dict[tuple[TableCell, str], Row]:
        """Read the rows on disk, here and at the other processes."""
        out = self.request.out
        rows, notes = self.rank.agree(lambda: read(out) if out else ({}, []))
        for note in notes:
            self.console.tell(f"note: {note}")
        union: dict[tuple[TableCell, str], Row] = {}
        for there in self.rank.gather(rows):
            union = there | union
        return union

    def _measure_all(self, share: Sequence[Task]) -> Iterator[Row]:
        lines = self.rank.agree(lambda: RowLog(self.request.out, self.rank.rank))
        bar = ProgressBar(self.console if self.rank.is_first else None, len(share))
        for (label, scale), tasks in groupby(share, lambda t: (t.cell.model, t.cell.scale)):
            bar.working_on(f"loading {label}")
            model = self.plan.models[label]
            try:
                enlarge, made = open_model(model, scale, self.request.settings)
            except Exception as error:  # noqa: BLE001 - this model's images fail, others go on
                self.console.tell(f"failed: {label} x{scale}: {as_failure(error)}")
                for task in tasks:
                    self._failed(task, error)
                    bar.step()
                continue
            self.run_as[label] = made
            for task in tasks:
                bar.working_on(_task_text(task))
                try:
                    row = self._one(enlarge, task, made["device"])
                except OutputError:
                    raise
                except Exception as error:  # noqa: BLE001 - a surprise is this image's alone
                    self.console.tell(f"failed: {self._failed(task, error)}")
                else:
                    lines.append(row)
                    yield row
                bar.step()

    def _one(self, enlarge: Enlarge, task: Task, device: str) -> Row:
        """Measure one image."""
        cell, protocol = task.cell, self.request.protocol
        pair = datasets.load(task.item, cell.scale, make_lr=protocol.make_lr)
        degradation = Degradation.parse(cell.degradation)
        done = _measure(enlarge, pair, cell.scale, degradation, protocol, device)
        if self.request.save_images and self.request.out:
            kinds = {saved_images.ORIGINAL: done.hr, saved_images.INPUT: done.lr, "output": done.sr}
            saved_images.save(self.request.out, cell, task.item.name, kinds)
        height, width = done.lr.shape[:2]
        return Row(
            cell=cell,
            image=task.item.name,
            lr="realworld" if degradation.realworld else pair.lr_origin,
            width=width,
            height=height,
            scores=rounded(done.scores),
            seconds=done.cost.seconds,
            peak_bytes=done.cost.peak_bytes,
        )

    def _failed(self, task: Task, error: Exception) -> str:
        """Note an image that failed; returns the note."""
        failure = as_failure(error)
        self.failures.append(f"{_task_text(task)}: {failure}")
        self.codes.add(failure.exit_code)
        return self.failures[-1]

    def _close(
        self, facts: dict[str, Any], result: Result, shares: Sequence[Any], seconds: float
    ) -> None:
        """Write the tables and add this session to the manifest."""
        out = self.request.out
        if out is None or not self.rank.is_first:
            return
        merge(out, result.rows)
        write_means(out / MEANS, means(result.rows, result.sets))
        if not result.measured and not result.failures:
            return
        session = {
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": manifest.commit(),
            "processes": self.rank.world_size,
            "machines": _unique(machine for *_, machine, _ in shares),
            "seconds": round(seconds, 1),
            "images": result.measured,
            "failures": result.failures,
            "peak_memory_bytes": max(peak for *_, peak in shares),
            "models": {k: v for _, _, _, run_as, *_ in shares for k, v in run_as.items()},
        }
        manifest.write(out, {**facts, "sessions": [*facts["sessions"], session]})


@dataclass(frozen=True, eq=False)
class _Measured:
    """Images, scores and cost of a task that was measured."""

    lr: np.ndarray
    hr: np.ndarray
    sr: np.ndarray
    scores: Scores
    cost: Cost


def _measure(
    enlarge: Enlarge,
    pair: Pair,
    scale: int,
    degradation: Degradation,
    protocol: Protocol,
    device: str,
) -> _Measured:
    lr, hr = protocol.images(pair, scale, degradation)
    sr, cost = measure_cost(lambda: enlarge(lr), device)
    return _Measured(lr, hr, sr, protocol.score(sr, hr, scale), cost)


def _task_text(task: Task) -> str:
    cell = task.cell
    title = task_title(cell.scale, cell.degradation)
    return f"{cell.model} on {cell.set} {title}, {task.item.name}"


def _peak_memory() -> int:
    """Most bytes this process ever had resident."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _unique(values: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
