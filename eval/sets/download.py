"""Download of the literature's sets from the Hub: once, where terms allow it, checked, cached.

The repositories hold tar files beside a loading script that the ``datasets`` library no longer
runs; the files are taken as they are, at a fixed commit. An archive has the sha256 that is known
here, or else the Hub's own word for it; what comes out of it has the number of images the set has,
and every one of them can be decoded.

Source: repositories of eugenesiow on the Hub; sha256 where its pages show them. Manga109 needs its
owners' permission, and DIV2K, LIVE1 and Classic5 are not among them: those come from one's own
folder.
"""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from eval.sets import datasets
from eval.sets.layouts import SUFFIXES
from swin2sr.checkpoints.cache import SHA256, refuse_offline, release_cache
from swin2sr.checkpoints.download import (
    DEADLINE,
    Transfer,
    Watchdog,
    remove_stale_partials,
    require_room,
    retry,
    watched,
)
from swin2sr.errors import ConfigError, OutputError, Swin2SRError, WeightsError
from swin2sr.filesystem import write_bytes

MOST_BYTES = 1_000_000_000  # of an unpacked archive; the largest has 0.15 GB
DEFAULT_ENDPOINT = "https://huggingface.co"
REMEDY = "Give a folder that holds the set (--data), or use the packaged set 'Sample'."


@dataclass(frozen=True)
class Offer:
    """Offer of a set on the Hub.

    Args:
        repo: dataset repository. revision: commit that added the files.
        terms: what its page says about its use.
        sha256: of archives, by the part of their name that tells them apart.
    """

    repo: str
    revision: str
    terms: str
    sha256: dict[str, str] = field(default_factory=dict)


OFFERS = {
    "Set5": Offer(
        "eugenesiow/Set5",
        "325646fe7cc8811e312562437885c5c018c74966",
        "for academic use",
        {
            "HR": "260fc447296333f6c2716bcd65513968c33b666f21a905537ee3330c51a1945b",
            "LR_x2": "a4337dd3c9b0898a5c91013261b9dbdba80d53e27ff79ecf19d9f6585302c1e0",
        },
    ),
    "Set14": Offer(
        "eugenesiow/Set14",
        "5c964717e61b4931236a6dd5561750d11e5a7abb",
        "for academic use",
        {
            "LR_x2": "a427e3bcaef2586bf97cf5273fa91d267106bb025964b4ebfd297e8f77a2c052",
            "LR_x3": "353de901a3ae1a017e888fd256a5ea78ae91bc47c5dc8dd0c57aefa75eb55c36",
        },
    ),
    "BSD100": Offer(
        "eugenesiow/BSD100",
        "600666edcba3b8386c367fcb03e72424a1ff9f86",
        "for academic use",
        {
            "HR": "333495ccded04a0db52b33361140821ea7e0d8af8dfb54b58df79a00010858d6",
            "LR_x2": "6da0054efcf335dcf2da9e37105aad87a6e0778c0cf601f5f0d82b5e86e2569c",
            "LR_x3": "d344aab7f0167a408345632aae545bbae59a26a3048a8352e50352a23962ac64",
            "LR_x4": "71e47b5326dd6d66486a56900f3b61defc7874cf54a2c36d165d5ada1abcbbea",
        },
    ),
    "Urban100": Offer(
        "eugenesiow/Urban100",
        "57309de03db02ac12ee09ad6127e7b815c211328",
        "CC BY 4.0",
        {"LR_x4": "87f1ffd25247f3e6e9033c3ca1c60ab9fb2d66aeff782bb16fd5b7b7b3d3ac9e"},
    ),
}
SCALES = (2, 3, 4)


def is_offered(name: str) -> bool:
    """Tell whether a set can be fetched."""
    return datasets.canonical(name)[0] in OFFERS


def terms(name: str) -> str:
    """Terms of a set: its repository, and what its page says about its use."""
    offer = OFFERS[datasets.canonical(name)[0]]
    return f"{offer.repo} on the Hub, {offer.terms}"


def cached(name: str, scale: int, cache_dir: Path | None = None) -> Path | None:
    """Folder of a set in the cache, fetched for a scale; None when it was not."""
    folder = _home(cache_dir) / datasets.canonical(name)[0]
    needed = [folder / f"{folder.name}_{part}" for part in _parts(scale)]
    return folder if all(place.is_dir() for place in needed) else None


def fetch(
    name: str, scale: int, *, cache_dir: Path | None = None, deadline: float = DEADLINE
) -> Path:
    """Download a set for a scale, check it, and keep it.

    Args:
        name: of the set. scale: 1 needs only the originals.
        cache_dir: instead of the user's cache folder.
        deadline: seconds without progress after which a download is given up.
    Returns:
        A folder for ``datasets.find``. Parts that are there are not fetched again.
    Raises:
        ConfigError: a set or scale that is not offered. OutputError: the cache cannot be written.
        Swin2SRError: "offline", "not_found", "download", "hash_mismatch", "corrupt".
    """
    label, _, count = datasets.canonical(name)
    if label not in OFFERS or scale not in (1, *SCALES):
        raise ConfigError(
            f"{name!r} x{scale} cannot be fetched.",
            remedy=f"Offered: {', '.join(OFFERS)}, x{', x'.join(map(str, SCALES))}. {REMEDY}",
        )
    folder = _home(cache_dir) / label
    for part in _parts(scale):
        place = folder / f"{label}_{part}"
        if not place.is_dir():
            _fetch_part(OFFERS[label], part, place, count or 0, deadline)
    return folder


@dataclass(frozen=True)
class _Archive:
    """Archive (tar) of a dataset repository."""

    repo: str
    revision: str
    filename: str

    def __str__(self) -> str:
        return f"{self.repo!r} ({self.filename})"

    @property
    def url(self) -> str:
        endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or DEFAULT_ENDPOINT
        return f"{endpoint}/datasets/{self.repo}/resolve/{self.revision}/{self.filename}"

    def fetch(self, target: Path, sha256: str | None, deadline: float) -> Path:
        return watched(lambda watch: self._move(target, sha256, watch), self, deadline)

    def _move(self, target: Path, sha256: str | None, watch: Watchdog) -> Path:
        from huggingface_hub import get_hf_file_metadata

        endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
        facts = retry(
            lambda: get_hf_file_metadata(self.url, timeout=watch.timeout, endpoint=endpoint), watch
        )
        watch.progress()
        require_room(facts.size, target.parent, self)
        own_word = facts.etag if facts.etag and SHA256.fullmatch(facts.etag) else None
        Transfer(
            url=facts.location,
            target=target,
            wanted=self,
            watch=watch,
            size=facts.size,
            sha256=sha256 or own_word,
        ).run()
        return target


def _home(cache_dir: Path | None) -> Path:
    return cache_dir or release_cache(None).parent / "benchmarks"


def _parts(scale: int) -> tuple[str, ...]:
    return ("HR",) if scale == 1 else ("HR", f"LR_x{scale}")


def _fetch_part(offer: Offer, part: str, place: Path, count: int, deadline: float) -> None:
    """Fetch, unpack and check one archive; its folder appears whole, or not at all."""
    archive = _Archive(offer.repo, offer.revision, f"data/{place.name}.tar.gz")
    _require_online(archive)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        remove_stale_partials(place.parent)
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=place.parent) as scratch:
            packed = Path(scratch) / "packed.tar.gz"
            _fetch_archive(archive, packed, offer.sha256.get(part), deadline)
            unpacked = _unpack(packed, Path(scratch) / "unpacked", archive)
            _check(unpacked, archive, count)
            with suppress(OSError):  # another process was faster: its folder is as good
                unpacked.replace(place)
        note = {"repo": offer.repo, "revision": offer.revision, "terms": offer.terms}
        write_bytes(place.parent / "source.json", json.dumps(note, indent=2).encode())
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"The cache {str(place.parent)!r} cannot be written: {error.strerror or error}."
        ) from error


def _require_online(archive: _Archive) -> None:
    try:
        refuse_offline(archive, local_files_only=False)
    except WeightsError as error:
        raise Swin2SRError(error.message, code=error.code, remedy=REMEDY) from error


def _fetch_archive(archive: _Archive, target: Path, sha256: str | None, deadline: float) -> None:
    """Fetch an archive; errors of weights become errors of data, with what helps there."""
    try:
        archive.fetch(target, sha256, deadline)
    except WeightsError as error:
        raise Swin2SRError(error.message, code=error.code, remedy=REMEDY) from error


def _unpack(packed: Path, target: Path, archive: _Archive) -> Path:
    """Unpack an archive; returns the folder of its images.

    Raises:
        Swin2SRError: "corrupt": no archive, too large, or more than a folder of files.
    """
    try:
        with tarfile.open(packed, "r:gz") as tar:
            size = 0
            for member in tar:
                size += member.size
                if size > MOST_BYTES:
                    raise tarfile.TarError(f"it unpacks to more than {MOST_BYTES / 1e9:.0f} GB")
            tar.extractall(target, filter="data")
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Swin2SRError(f"{archive} cannot be unpacked: {error}.", code="corrupt") from error
    inside = [path for path in target.iterdir() if not path.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


def _check(folder: Path, archive: _Archive, count: int) -> None:
    """Hold what was unpacked against what the set is.

    Raises:
        Swin2SRError: "corrupt".
    """
    images = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    fault = f"{len(images)} images instead of {count}" if len(images) != count else ""
    try:
        for path in images:
            datasets.load(datasets.Item(path.stem, path), 1)
    except Swin2SRError as error:
        fault = error.message
    if fault:
        raise Swin2SRError(f"{archive} is not the set: {fault}", code="corrupt", remedy=REMEDY)
