"""One run on several processes, on one machine or many: torchrun starts them, gloo joins them.

    torchrun --nproc-per-node 4 -m eval run ...                  # one machine

    torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d \\
        --rdzv-endpoint first-machine:29400 --rdzv-id any-word -m eval run ...   # on each machine

Every process plans the same run, takes every n-th image that is not done, and writes a journal of
its own; the first one gathers all rows at the end and writes the tables. Machines need the same
data, weights and versions (that is checked before anything runs), but no common disk: what an
unfinished run left on each machine's own ``--out`` is gathered, too. Tables are those of one
process when ``--threads`` is the same, on the same kind of processor.

What happens when something fails. A wrong argument or a missing file: every process ends with the
error of the first one that has it. A process that dies: torchrun ends the others of its machine and
returns an error; the others' connections to it break, and they end, too. A machine that vanishes
without closing its connections is noticed when the first process waits for its rows, after
``TIMEOUT``. The journals keep every finished image, so the same command goes on from there;
``--max-restarts N`` lets torchrun do that by itself. For machines that are missing at the start,
torchrun waits as long as its ``--rdzv-conf join_timeout=600`` says.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from swin2sr.errors import JobError, Swin2SRError

Result = TypeVar("Result")
# How long a process waits for the slowest: longer than any share of a run may take. A process that
# dies closes its connections and is noticed at once; this is for machines that vanish.
TIMEOUT = timedelta(hours=24)


@dataclass(frozen=True)
class Shard:
    """This process among those of the run.

    Args:
        rank: its number, from 0. world: how many there are.
        local_rank, local_world: the same on this machine.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process speaks for all and writes the tables."""
        return self.rank == 0

    def gather(self, value: Result) -> list[Result]:
        """What every process gave, in the order of their ranks; waits for all of them.

        Raises:
            JobError: another process is gone.
        """
        if self.world == 1:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.world
        try:
            dist.all_gather_object(values, value)
        except (RuntimeError, EOFError, ValueError) as error:
            raise JobError(
                f"Process {self.rank} of {self.world} lost the others.",
                code="lost",
                remedy="Finished images are kept; the same command goes on from there.",
            ) from error
        return values

    def agree(self, work: Callable[[], Result]) -> Result:
        """Do something that may fail on some processes: then it fails on all, with one error.

        Raises:
            Swin2SRError: of the lowest rank that had one.
        """
        error: Swin2SRError | None = None
        result: Result | None = None
        try:
            result = work()
        except Swin2SRError as raised:
            error = raised
        told = None if error is None else (error.message, error.code, error.remedy, error.exit_code)
        first = next((one for one in self.gather(told) if one is not None), None)
        if error is not None:
            raise error
        if first is not None:
            message, code, remedy, exit_code = first
            failure = Swin2SRError(message, code=code, remedy=remedy)
            failure.exit_code = exit_code
            raise failure
        return result  # type: ignore[return-value]


@contextmanager
def joined() -> Iterator[Shard]:
    """Join the processes that torchrun started; alone where it did not start this one.

    Raises:
        JobError: the others cannot be reached.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 or "RANK" not in os.environ:
        yield Shard()
        return
    import torch.distributed as dist

    try:
        dist.init_process_group("gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise JobError(
            "The other processes of this run cannot be reached.",
            code="lost",
            remedy="Check torchrun's --rdzv-endpoint and the firewall between the machines.",
        ) from error
    try:
        yield Shard(
            dist.get_rank(),
            dist.get_world_size(),
            int(os.environ.get("LOCAL_RANK", "0")),
            int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        )
    finally:
        dist.destroy_process_group()
