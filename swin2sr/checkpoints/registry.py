"""The published checkpoints: one row each, with what is known for certain about it.

A revision or hash that was not seen is None, never a guess: such a file is loaded with the note
that it is not pinned. Rows of packaged weights are completed from the ``.json`` beside the weights
(written by ``resolve.package``), which holds their configuration and their sha256; a packaged row
whose files are not there is left out.

Source: releases of mv-lab/swin2sr (v0.0.1) and the repositories of ``caidas`` on the Hub, as of
November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from swin2sr.checkpoints.parameters import count_parameters
from swin2sr.config import Swin2SRConfig

Source = Literal["packaged", "hub", "release"]

TASKS = ("classical", "lightweight", "compressed", "realworld", "jpeg")
WEIGHTS_FOLDER = Path(__file__).resolve().parent.parent / "weights"
DEFAULT = "swin2sr-small-x2"  # what works at once, without the network


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One published checkpoint.

    Args:
        name: how it is asked for.
        title: one line for people.
        task: one of ``TASKS``.
        scale: factor between input and output sides; 1 restores.
        config: the network.
        source: "packaged" (in this package), "hub" or "release" (a file at ``url``).
        repo: Hub repository; also an accepted name.
        filename: the file in the folder, the repository or the release.
        fallback: another file of the repository, taken when ``filename`` is not there.
        revision: full commit hash; None is the head of "main".
        sha256: of ``filename``, hexadecimal; None where none is known.
        url: of a release's file.
        licence: SPDX identifier.
        size_bytes: of ``filename``; None where not known exactly.
        parameters: how many numbers it learned.
        trained_on: pictures and how they were degraded.
        aliases: other accepted names.
    """

    name: str
    title: str
    task: str
    scale: int
    config: Swin2SRConfig
    source: Source
    filename: str
    repo: str | None = None
    fallback: str | None = None
    revision: str | None = None
    sha256: str | None = None
    url: str | None = None
    licence: str = "Apache-2.0"
    size_bytes: int | None = None
    parameters: int
    trained_on: str
    aliases: tuple[str, ...] = ()


_PHOTOS = "DIV2K and Flickr2K, bicubic downscale"
_LIGHT = Swin2SRConfig(
    depths=(6,) * 4, embed_dim=60, num_heads=(6,) * 4, upsampler="pixelshuffledirect"
)

PUBLISHED: tuple[Entry, ...] = (
    Entry(
        name="swin2sr-classical-x2",
        title="Clean pictures, twice the size",
        task="classical",
        scale=2,
        config=Swin2SRConfig(),
        source="hub",
        repo="caidas/swin2SR-classical-sr-x2-64",
        filename="model.safetensors",
        revision="cee1c923c6a37361c6e5650b65dcf4be821e5d52",
        sha256=None,  # not seen
        parameters=12_091_571,
        trained_on=_PHOTOS,
        aliases=("Swin2SR_ClassicalSR_X2_64",),
    ),
    Entry(
        name="swin2sr-classical-x4",
        title="Clean pictures, four times the size",
        task="classical",
        scale=4,
        config=Swin2SRConfig(upscale=4),
        source="hub",
        repo="caidas/swin2SR-classical-sr-x4-64",
        filename="model.safetensors",
        revision=None,  # not seen
        sha256=None,  # not seen
        parameters=12_239_283,
        trained_on=_PHOTOS,
        aliases=("Swin2SR_ClassicalSR_X4_64",),
    ),
    Entry(
        name="swin2sr-compressed-x4",
        title="Small JPEG pictures, four times the size",
        task="compressed",
        scale=4,
        config=Swin2SRConfig(upscale=4, image_size=48, upsampler="pixelshuffle_aux"),
        source="hub",
        repo="caidas/swin2SR-compressed-sr-x4-48",
        filename="model.safetensors",
        revision=None,  # not seen
        sha256=None,  # not seen
        parameters=12_244_598,
        trained_on="DIV2K and Flickr2K, bicubic downscale, then JPEG",
        aliases=("Swin2SR_CompressedSR_X4_48",),
    ),
    Entry(
        name="swin2sr-lightweight-x2",
        title="Clean pictures, twice the size, fast",
        task="lightweight",
        scale=2,
        config=_LIGHT,
        source="hub",
        repo="caidas/swin2SR-lightweight-x2-64",
        # The hash is of this file, and a pickle whose bytes are known is safe to read.
        filename="pytorch_model.bin",
        fallback="model.safetensors",
        revision=None,  # not seen
        sha256="9784753b51c4b93b87d53088b862c1961b04eaa69460463bed170d5c444b3d0b",
        size_bytes=4_175_069,
        parameters=1_005_348,
        trained_on=_PHOTOS,
        aliases=("Swin2SR_Lightweight_X2_64",),
    ),
    Entry(
        name="swin2sr-realworld-x4",
        title="Noisy, blurred pictures from anywhere, four times the size",
        task="realworld",
        scale=4,
        config=Swin2SRConfig(upscale=4, upsampler="nearest+conv"),
        source="hub",
        repo="caidas/swin2SR-realworld-sr-x4-64-bsrgan-psnr",
        filename="pytorch_model.bin",  # no safetensors on main at this commit
        revision="bb13f02e45e88d00b6c202b3fbe6a181af144606",
        sha256=None,  # not seen
        parameters=12_054_643,
        trained_on="photographs with BSRGAN's random degradations",
        aliases=("Swin2SR_RealworldSR_X4_64_BSRGAN_PSNR",),
    ),
    Entry(
        name="swin2sr-jpeg",
        title="JPEG pictures, same size, without blocks",
        task="jpeg",
        scale=1,
        config=Swin2SRConfig(
            num_channels=1,
            upscale=1,
            image_size=126,
            window_size=7,
            img_range=255.0,
            upsampler="",
        ),
        source="release",
        filename="Swin2SR_Jpeg_dynamic.pth",
        url="https://github.com/mv-lab/swin2sr/releases/download/v0.0.1/Swin2SR_Jpeg_dynamic.pth",
        sha256=None,  # not seen
        parameters=11_836_765,
        trained_on="grey pictures with JPEG of varying quality",
        aliases=("Swin2SR_Jpeg_dynamic",),
    ),
)

PACKAGED: tuple[dict[str, Any], ...] = (
    {
        "name": DEFAULT,
        "title": "Pictures, twice the size, small network",
        "task": "lightweight",
        "trained_on": "see its model card",
    },
)


def packaged_entry(facts: dict[str, Any], folder: Path = WEIGHTS_FOLDER) -> Entry | None:
    """Complete a packaged row from ``<name>.json`` in ``folder``; None when it is not there.

    The file is a ``config.json`` with one more key, "checkpoint": an object with "sha256" and any
    of "title", "task", "trained_on", "licence", which replace those of the row.

    Raises:
        ConfigError: the file is there and does not describe a network.
    """
    described = folder / f"{facts['name']}.json"
    weights = folder / f"{facts['name']}.safetensors"
    if not (described.is_file() and weights.is_file()):
        return None
    config = Swin2SRConfig.from_json_file(described)
    extra = dict(config.extra)
    known = extra.pop("checkpoint", {})
    return Entry(
        **(facts | {k: known[k] for k in ("title", "task", "trained_on", "licence") if k in known}),
        scale=config.upscale,
        config=replace(config, extra=extra),
        source="packaged",
        filename=weights.name,
        sha256=known.get("sha256"),
        size_bytes=weights.stat().st_size,
        parameters=count_parameters(config),
    )


REGISTRY: tuple[Entry, ...] = (
    *(entry for facts in PACKAGED if (entry := packaged_entry(facts)) is not None),
    *PUBLISHED,
)


def list_models() -> tuple[Entry, ...]:
    """Every published checkpoint, packaged ones first."""
    return REGISTRY


def find(name: str) -> Entry | None:
    """The row that ``name`` means: its name, an alias, its Hub repository; in any letter case."""
    wanted = name.strip().casefold()
    for entry in REGISTRY:
        if wanted in (n.casefold() for n in (entry.name, *entry.aliases, entry.repo or entry.name)):
            return entry
    return None


def find_by_hash(sha256: str) -> Entry | None:
    """The row whose file has this hash."""
    return next((entry for entry in REGISTRY if entry.sha256 == sha256), None)
