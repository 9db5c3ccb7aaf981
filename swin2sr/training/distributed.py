"""Distributed runs on ``torchrun``: ranks, and the process group that joins them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from swin2sr.errors import ConfigError, JobError, Swin2SRError
from swin2sr.inference.hardware import pick_device

Result = TypeVar("Result")


@dataclass(frozen=True)
class Rank:
    """Rank of this process among those of a run, and what ranks do together."""

    rank: int = 0  # its number
    world_size: int = 1  # how many there are
    local_rank: int = 0  # on this machine
    local_world_size: int = 1

    @classmethod
    def from_environment(cls) -> Rank:
        """Rank that ``torchrun`` gave this process; that of the only one without it."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        return cls(*(int(os.environ.get(name, name.endswith("SIZE"))) for name in names))

    @property
    def is_first(self) -> bool:
        """First rank, which writes files and speaks for all."""
        return self.rank == 0

    def device(self, wanted: str | torch.device) -> torch.device:
        """Device of this process, as ``pick_device``; with GPUs each process takes one of its own.

        Raises:
            ConfigError: a device that is not here, or fewer GPUs than processes.
        """
        found = pick_device(wanted)
        if self.world_size == 1:
            return found
        if found.type == "cuda":
            found = pick_device(f"cuda:{self.local_rank}")
            torch.cuda.set_device(found)
        elif found.type != "cpu":
            raise ConfigError(f"Several processes train on cpu or cuda, not on {found.type}.")
        return found

    def share(self, batch: int) -> slice:
        """Share of a batch that this process computes.

        Raises:
            ConfigError: the batch cannot be divided evenly.
        """
        if batch % self.world_size:
            raise ConfigError(
                f"A batch of {batch} patches cannot be divided among {self.world_size} processes.",
                remedy="Set a batch that can, or start another number of processes.",
            )
        share = batch // self.world_size
        return slice(self.rank * share, (self.rank + 1) * share)

    def data_parallel(self, module: nn.Module, device: torch.device) -> nn.Module:
        """Data-parallel module: its gradients become the mean over all processes."""
        if self.world_size == 1:
            return module
        devices = [device] if device.type == "cuda" else None
        with warnings.catch_warnings():
            # The buffers are constants. From torch 2.13 on this is said by another name, which
            # 2.10 does not know.
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(module, device_ids=devices, broadcast_buffers=False)

    def mean(self, values: Tensor) -> Tensor:
        """Mean of a tensor over all processes, the same in each."""
        if self.world_size > 1:
            distributed.all_reduce(values)
            values /= self.world_size
        return values

    def gather(self, value: Result) -> list[Result]:
        """Gather a value of every process, in the order of their ranks; waits for all of them.

        Raises:
            JobError: "lost": another process is gone.
        """
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        try:
            distributed.all_gather_object(values, value)
        except (RuntimeError, EOFError, ValueError) as error:
            raise JobError(
                f"Process {self.rank} of {self.world_size} lost the others.",
                code="lost",
                remedy="What is finished is kept; the same command goes on from there.",
            ) from error
        return values

    def agree(self, work: Callable[[], Result]) -> Result:
        """Do something that may fail on some processes: then it fails on all, with one error.

        Raises:
            Swin2SRError: of the lowest rank that had one.
        """
        facts = None
        try:
            result = work()
        except Swin2SRError as error:
            facts = (error.message, error.code, error.remedy, error.exit_code)
            self.gather(facts)
            raise
        first = next((one for one in self.gather(facts) if one is not None), None)
        if first is not None:
            message, code, remedy, exit_code = first
            failure = Swin2SRError(message, code=code, remedy=remedy)
            failure.exit_code = exit_code
            raise failure
        return result


@contextmanager
def init_distributed(
    device: torch.device | None = None, timeout: timedelta | None = None
) -> Iterator[Rank]:
    """Process group of the processes that ``torchrun`` started; none for an only process.

    Args:
        device: what this process computes on: NCCL joins GPUs, gloo everything else.
        timeout: for which a process waits for the slowest; None takes PyTorch's.
    Raises:
        ConfigError: a PyTorch without support. JobError: "lost": the others cannot be reached.
    """
    rank = Rank.from_environment()
    if rank.world_size == 1:
        yield rank
        return
    if not distributed.is_available():
        raise ConfigError("This build of torch cannot join several processes.")
    backend = "nccl" if device is not None and device.type == "cuda" else "gloo"
    try:
        distributed.init_process_group(backend, timeout=timeout)
    except (RuntimeError, ValueError) as error:
        raise JobError(
            "The other processes of this run cannot be reached.",
            code="lost",
            remedy="Check torchrun's --rdzv-endpoint and the firewall between the machines.",
        ) from error
    try:
        yield rank
    finally:
        distributed.destroy_process_group()
