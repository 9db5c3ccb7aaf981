"""Download of one file: under a deadline, capped, hashed, put in place whole or not at all.

A transfer runs in a thread of its own. Whoever waits for it waits as long as there is progress, and
gives up ``deadline`` seconds after the last one. The Hub library's own download has no such limit,
no cap, and does not look at the content; it hands on 10 MB at a time (measured with 2.4.0: below
that no progress is to be seen, a cut connection starts from 0, and a dripping server keeps thread
and lock for good). Its HTTP client, certificates and proxies are used.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swin2sr.checkpoints.read_weights import MAX_BYTES, MEGABYTE
from swin2sr.errors import WeightsError

DEADLINE = 30.0  # seconds without progress
SOCKET_TIMEOUT = 10.0  # seconds for one answer of the server
PROGRESS = 32_768  # bytes that count as progress: a server that drips single bytes makes none
ATTEMPTS = 5  # connections in a row that bring nothing new
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
ABANDONED = 600.0  # seconds after which a partial file belongs to a process that was killed

OFFLINE_REMEDY = (
    "Connect once, give the path of a file or folder, or use the packaged 'swin2sr-small-x2'."
)
LATER_REMEDY = "Try again later, or fetch the file by hand and give its path."
ROOM_REMEDY = "Choose another cache folder (cache_dir, HF_HOME)."


class AbandonedError(Exception):
    """End of a transfer that nobody waits for any more; never leaves its thread."""


class Watchdog:
    """Watchdog of a transfer: its progress, and the word to give up, between two threads."""

    def __init__(self, deadline: float) -> None:
        self.timeout = min(SOCKET_TIMEOUT, deadline)
        self.moved = time.monotonic()
        self.waiting_for = "an answer"
        self.done = threading.Event()
        self.given_up = threading.Event()
        self.path = Path()
        self.error: BaseException | None = None

    def progress(self) -> None:
        """Note progress; raises AbandonedError when nobody waits any more."""
        self.moved = time.monotonic()
        self.pause(0.0)

    def pause(self, seconds: float) -> None:
        """Wait; raises AbandonedError as soon as nobody waits any more."""
        if self.given_up.wait(seconds):
            raise AbandonedError


def watched(work: Callable[[Watchdog], Path], wanted: object, deadline: float) -> Path:
    """Run ``work`` in a thread for as long as it makes progress.

    The thread is a daemon: a name lookup that hangs cannot be interrupted, and must not keep the
    program from ending.

    Args:
        work: does the transfer, calls ``Watchdog.progress`` as it moves on, returns the file.
        wanted: what to call the file in messages.
        deadline: seconds without progress after which to give up.
    Raises:
        WeightsError: offline, not_found, download or hash_mismatch.
    """
    watch = Watchdog(deadline)

    def run() -> None:
        try:
            watch.path = work(watch)
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            watch.error = error
        finally:
            watch.done.set()

    threading.Thread(target=run, name="swin2sr-download", daemon=True).start()
    try:
        while not watch.done.wait(0.05):
            if time.monotonic() - watch.moved > deadline:
                raise WeightsError(
                    f"Gave up fetching {wanted}: waited {deadline:g} s for {watch.waiting_for}.",
                    code="download",
                    remedy=LATER_REMEDY,
                )
    finally:
        watch.given_up.set()
    if isinstance(watch.error, WeightsError):
        raise watch.error
    if watch.error is not None:
        raise to_weights_error(watch.error, wanted) from watch.error
    return watch.path


@dataclass
class Transfer:
    """Transfer of one file."""

    url: str  # redirects are followed
    target: Path  # appears whole, or not at all
    wanted: object  # what to call the file in messages
    watch: Watchdog
    size: int | None = None  # bytes announced
    sha256: str | None = None  # what the file must have
    headers: Mapping[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Fetch, check, and put in place; fetches a second time when the hash is wrong.

        Raises:
            WeightsError: not_found, download or hash_mismatch; also raw errors of the client and
                the disk, for ``to_weights_error``.
        """
        name = f"{self.target.name}.{uuid.uuid4().hex[:8]}.incomplete"
        partial = self.target.with_name(name)
        try:
            for last in (False, True):
                digest = self._receive(partial)
                if self.sha256 is None or digest == self.sha256:
                    break
                if last:
                    raise WeightsError(
                        f"What the server sends for {self.wanted} is not the published file: its "
                        f"sha256 is {digest[:12]}..., expected {self.sha256[:12]}....",
                        code="hash_mismatch",
                        remedy="Nothing was kept. Get the file from another place.",
                    )
            self.watch.progress()
            partial.replace(self.target)
        finally:
            partial.unlink(missing_ok=True)

    def _receive(self, partial: Path) -> str:
        """Write ``partial``, resuming where a connection broke; return the sha256 of all of it."""
        digest, received, left = hashlib.sha256(), 0, ATTEMPTS
        with partial.open("wb") as file:
            while True:
                before = received
                try:
                    for position, chunk in self._chunks(received):
                        self.watch.pause(0.0)
                        if position != received:  # the server sends it all again
                            digest, received = hashlib.sha256(), 0
                            file.seek(0)
                            file.truncate()
                        file.write(chunk)
                        digest.update(chunk)
                        if received // PROGRESS != (received + len(chunk)) // PROGRESS:
                            self.watch.progress()
                        received += len(chunk)
                        self._require_size(received)
                    break
                except Exception as error:
                    left = ATTEMPTS if received > before else left - 1
                    if not (broke_off(error) and left > 0):
                        raise
                    self.watch.pause(0.2 * (ATTEMPTS - left))
            file.flush()
            os.fsync(file.fileno())
        return digest.hexdigest()

    def _chunks(self, received: int) -> Iterator[tuple[int, bytes]]:
        """Yield (position, bytes) as they arrive, from ``received`` on where the server can."""
        from huggingface_hub import get_session

        headers = {**self.headers, "Accept-Encoding": "identity"}
        if received:
            headers["Range"] = f"bytes={received}-"
        session: Any = get_session()
        request = session.stream("GET", self.url, headers=headers, timeout=self.watch.timeout)
        with request as response:
            if response.status_code >= 400:
                raise http_error(response.status_code, self.wanted)
            if self.url.startswith("https:") and response.url.scheme != "https":
                raise WeightsError(
                    f"{self.wanted} leads to an address without encryption.", code="download"
                )
            position = received if response.status_code == 206 else 0
            announced = response.headers.get("Content-Length", "")
            total = position + int(announced) if announced.isdigit() else self.size
            self._require_size(total or 0)
            require_room(total, self.target.parent, self.wanted)
            self.watch.waiting_for = "the next bytes"
            for chunk in response.iter_bytes():
                yield position, chunk
                position += len(chunk)
            if total is not None and position < total:
                raise ConnectionResetError(f"{position} of {total} bytes arrived")

    def _require_size(self, received: int) -> None:
        """Refuse more bytes than announced, or than any network of this family has."""
        limit = MAX_BYTES if self.size is None else min(self.size, MAX_BYTES)
        if received > limit:
            raise WeightsError(
                f"{self.wanted} is larger than the {limit / MEGABYTE:.1f} MB it may have.",
                code="download",
            )


def require_room(size: int | None, folder: Path, wanted: object) -> None:
    """Refuse before the first byte what the disk of ``folder`` cannot hold."""
    existing = next((p for p in (folder, *folder.parents) if p.exists()), None)
    if size and existing and (free := shutil.disk_usage(existing).free) < size:
        raise WeightsError(
            f"No room on the disk for {wanted}: {size / MEGABYTE:.1f} MB needed in "
            f"{str(folder)!r}, {free / MEGABYTE:.1f} MB free.",
            code="download",
            remedy=ROOM_REMEDY,
        )


def partials(folder: Path) -> list[Path]:
    """Partial files in ``folder``, ours and the Hub library's."""
    return [path for path in folder.glob("*.incomplete") if path.is_file()]


def remove_stale_partials(folder: Path) -> None:
    """Remove what killed processes left: partial files that nobody has written to for long."""
    for path in partials(folder):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()


# ------------------------------------------------------------------------------------- the errors


def _is(error: BaseException, *names: str) -> bool:
    """Compare class names: the Hub's library moved from httpx to httpx2 between two releases."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


def broke_off(error: BaseException) -> bool:
    """Tell a connection that stood and ended; one that never stood is not tried again."""
    names = ("ReadError", "RemoteProtocolError", "CloseError", "WriteError", "ReadTimeout")
    return isinstance(error, ConnectionResetError) or _is(error, *names)


def retry(question: Callable[[], Any], watch: Watchdog) -> Any:
    """Retry when the connection breaks off before the answer, but not when it is silent."""
    for left in range(ATTEMPTS - 1, 0, -1):
        try:
            return question()
        except Exception as error:
            if not broke_off(error) or _is(error, "ReadTimeout"):
                raise
            watch.pause(0.1 * (ATTEMPTS - left))
    return question()


def http_error(status: int, wanted: object) -> WeightsError:
    """Error for an HTTP status of 400 or more."""
    sentences: dict[int, tuple[str, str]] = {
        401: ("needs a token, or the one that was sent is not valid", "Run 'hf auth login'."),
        403: ("is not open to you", "Accept its terms on its page, or use another token."),
        404: ("does not exist", "Check the name."),
        429: ("is refused for now: too many requests (429)", "Try again in some minutes."),
        503: ("cannot be had: the server is overloaded (503)", "Try again in some minutes."),
    }
    failing = (f"cannot be had: the server answered {status}", LATER_REMEDY)
    sentence, remedy = sentences.get(status, failing)
    code = "not_found" if status == 404 else "download"
    return WeightsError(f"{wanted} {sentence}.", code=code, remedy=remedy)


# Classes of errors, the first that fits counts: code, sentence, remedy.
_ERRORS: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
    (
        ("RepositoryNotFoundError",),
        "not_found",
        "The repository of {} does not exist on the Hub, or is private.",
        "Check the name; for a private one run 'hf auth login'.",
    ),
    (("RevisionNotFoundError",), "not_found", "{} has no such revision.", ""),
    (("EntryNotFoundError",), "not_found", "{}: the repository exists, the file does not.", ""),
    (
        ("OfflineModeIsEnabled", "ConnectError", "ProxyError"),
        "offline",
        "Offline, and {} is not in the cache.",
        OFFLINE_REMEDY,
    ),
    (
        ("TimeoutException",),
        "download",
        "Gave up fetching {}: the server does not answer.",
        LATER_REMEDY,
    ),
    (
        ("TransportError", "ConnectionResetError"),
        "download",
        "Gave up fetching {}: the connection breaks off every time.",
        LATER_REMEDY,
    ),
)


def to_weights_error(error: BaseException, wanted: object) -> BaseException:
    """Error of ours for whatever a transfer ended in; interruptions stay what they are."""
    if not isinstance(error, Exception):
        return error
    if _is(error, "GatedRepoError"):
        return http_error(403, wanted)
    for names, code, sentence, remedy in _ERRORS:
        if _is(error, *names):
            return WeightsError(sentence.format(wanted), code=code, remedy=remedy)
    response = getattr(error, "response", None)
    if _is(error, "HfHubHTTPError") and response is not None:
        return http_error(response.status_code, wanted)
    remedy = ROOM_REMEDY
    if isinstance(error, OSError) and error.errno in FULL:
        text = f"No room on the disk for {wanted}: the disk filled up while it was fetched."
    elif isinstance(error, OSError) and error.filename is not None:
        text = (
            f"The cache cannot be written at {str(error.filename)!r} ({error.strerror}), needed "
            f"for {wanted}."
        )
    else:
        text = f"Could not fetch {wanted}: {type(error).__name__}: {str(error)[:200]}."
        remedy = ""
    return WeightsError(text, code="download", remedy=remedy)
