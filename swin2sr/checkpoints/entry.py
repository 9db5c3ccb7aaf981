"""Registry entry of a published checkpoint; task and description of a network, in words.

A revision or hash that was not seen is None, never a guess: such a file is loaded with the note
that it is not pinned.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from swin2sr.checkpoints.expected_shapes import count_parameters
from swin2sr.config import RestorationConfig

Source = Literal["packaged", "hub", "release"]  # where a published checkpoint is to be had
Origin = Literal["packaged", "file", "cache", "hub"]  # where weights that were loaded came from

# What the papers trained networks for, by their heads; without one it is the window that tells.
TASKS = ("classical", "lightweight", "compressed", "realworld", "jpeg", "denoise")
_TASK_OF_HEAD = {
    "pixelshuffle": "classical",
    "pixelshuffledirect": "lightweight",
    "pixelshuffle_aux": "compressed",
    "nearest+conv": "realworld",
}
_COLOURS = {1: "grey", 3: "colour"}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Registry entry: one published checkpoint.

    Args:
        name: how it is asked for.
        title: one line for people.
        task: one of ``TASKS``.
        config: the network.
        filename: the file in the folder, the repository or the release.
        repo: Hub repository; also an accepted name.
        fallback: another file of the repository, taken when ``filename`` is not there.
        revision: full commit hash; None is the head of "main".
        sha256: of ``filename``, hexadecimal; None where none is known.
        url: of a release's file.
        licence: SPDX identifier.
        size_bytes: of ``filename``; None where not known exactly.
        trained_on: pictures and how they were degraded.
        aliases: other accepted names.
        twins: sha256 of other files with the same weights, by which those are recognised.
    """

    name: str
    title: str
    task: str
    config: RestorationConfig
    filename: str
    repo: str | None = None
    fallback: str | None = None
    revision: str | None = None
    sha256: str | None = None
    url: str | None = None
    licence: str = "Apache-2.0"
    size_bytes: int | None = None
    trained_on: str
    aliases: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()

    @property
    def source(self) -> Source:
        """Source: "packaged" (in this package), "hub" or "release" (a file at ``url``)."""
        return "release" if self.url else "hub" if self.repo else "packaged"

    @property
    def scale(self) -> int:
        """Factor between input and output sides; 1 restores."""
        return self.config.upscale

    @cached_property
    def parameters(self) -> int:
        """Number of parameters that the network learned."""
        return count_parameters(self.config)


def task_of(config: RestorationConfig) -> str:
    """Task that the papers trained a network of this shape for, one of ``TASKS``."""
    same_size = "jpeg" if config.window_size == 7 else "denoise"
    return _TASK_OF_HEAD.get(config.upsampler, same_size)


def describe(config: RestorationConfig) -> str:
    """Description in a few words: "SwinIR x4 (classical, colour, 6 groups, 180 features)"."""
    colour = _COLOURS.get(config.num_channels, f"{config.num_channels} channels")
    return (
        f"{config.network} x{config.upscale} ({task_of(config)}, {colour}, {len(config.depths)} "
        f"groups, {config.embed_dim} features)"
    )
