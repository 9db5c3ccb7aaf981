"""The processes of a run: one, or several that ``torchrun`` started."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from swin2sr.errors import ConfigError
from swin2sr.inference.hardware import pick_device


@dataclass(frozen=True)
class Here:
    """This process among those of the run.

    Attributes:
        device: what it computes on.
        rank: its number; 0 writes, validates and speaks.
        size: how many there are.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes, validates and speaks."""
        return self.rank == 0

    def part(self, batch: int) -> slice:
        """Which patches of a batch are this process's.

        Raises:
            ConfigError: the batch cannot be divided evenly.
        """
        if batch % self.size:
            raise ConfigError(
                f"A batch of {batch} patches cannot be divided among {self.size} processes.",
                remedy="Set a batch that can, or start another number of processes.",
            )
        share = batch // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def shared(self, module: nn.Module) -> nn.Module:
        """A module whose gradients become the mean over all processes."""
        if self.size == 1:
            return module
        devices = [self.device] if self.device.type == "cuda" else None
        with warnings.catch_warnings():
            # The buffers are constants. From torch 2.13 on this is said by another name, which
            # 2.10 does not know.
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(module, device_ids=devices, broadcast_buffers=False)

    def mean(self, values: Tensor) -> Tensor:
        """The mean of a tensor over all processes, the same in each."""
        if self.size > 1:
            distributed.all_reduce(values)
            values /= self.size
        return values


@contextmanager
def join(device: str | torch.device) -> Iterator[Here]:
    """Take this process's place among those that ``torchrun`` started, or be the only one.

    Args:
        device: as for ``pick_device``; each process of a machine takes a GPU of its own.
    Raises:
        ConfigError: a device that is not here, or fewer GPUs than processes.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Here(pick_device(device))
        return
    if not distributed.is_available():
        raise ConfigError("This build of torch cannot train with several processes.")
    rank, place = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    own = pick_device(device)
    if own.type == "cuda":
        own = pick_device(f"cuda:{place}")
        torch.cuda.set_device(own)
    elif own.type != "cpu":
        raise ConfigError(f"Several processes train on cpu or cuda, not on {own.type}.")
    distributed.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        yield Here(own, rank, size)
    finally:
        distributed.destroy_process_group()


def local_processes() -> int:
    """How many processes of the run share this machine."""
    return max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def is_first() -> bool:
    """Whether this is the only process of the run, or the first of them."""
    return int(os.environ.get("RANK", "0")) == 0
