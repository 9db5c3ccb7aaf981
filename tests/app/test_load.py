"""Load (LOAD of docs/reliability.md): many visitors at once. What takes minutes is marked ``load``.

pytest -m load -s tests/app/test_load.py
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.app.conftest import Site, Visitor

Photo = Callable[..., bytes]
JOB = ("sharpen-x2", "fast")
MEGABYTE = 1e6


@dataclass
class Tally:
    """What a crowd got: outcomes, seconds of the jobs that were done, and in which order.

    ``seconds`` are from the request to the last message.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, visitor: Visitor, file: dict[str, Any]) -> str:
        """One job of a visitor, from the request to its end."""
        started = time.monotonic()
        answer = visitor.join(file, *JOB)
        if answer.status_code != 200:
            with self.lock:
                full = "full" in answer.text.lower()
                self.outcomes["full" if full else f"status {answer.status_code}"] += 1
                self.refused.append(time.monotonic() - started)
            return "refused"
        event = answer.json()["event_id"]
        with self.lock:
            self.joined.append(event)
        last = next(one for one in visitor.messages() if one["msg"] == "process_completed")
        seconds = time.monotonic() - started
        outcome = "done" if last["success"] else str(last["output"].get("error"))
        with self.lock:
            full = "full" in outcome.lower()
            self.outcomes["full" if full else outcome] += 1
            if outcome == "done":
                self.seconds.append(seconds)
                self.done.append(event)
            elif full:
                self.refused.append(seconds)
        return outcome

    def overtaken(self) -> int:
        """By how many places a job was overtaken at most."""
        order = [event for event in self.joined if event in set(self.done)]
        return max((self.done.index(e) - order.index(e) for e in order), default=0)

    def said(self, title: str) -> str:
        """The figures in a line, printed too."""
        cuts = quantiles(self.seconds)
        line = f"{title}: {dict(self.outcomes)}; p50/p95/p99 {cuts} s; overtaken {self.overtaken()}"
        print(line)
        return line


def quantiles(seconds: list[float]) -> tuple[float, ...]:
    return tuple(round(float(q), 3) for q in np.quantile(seconds or [0.0], [0.5, 0.95, 0.99]))


def memory() -> float:
    """Megabytes of this process, which is the server's too."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def crowd(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], list[Visitor]]]:
    """Visitors with an address each, as on Spaces, where a proxy names them."""
    monkeypatch.setenv("SPACE_ID", "someone/swin2sr")
    assert site.idle()
    visitors: list[Visitor] = []

    def come(users: int) -> list[Visitor]:
        new = [site.visit(f"10.0.{len(visitors) // 250}.{n % 250}") for n in range(users)]
        visitors.extend(new)
        return new

    yield come
    for visitor in visitors:
        visitor.http.close()
    assert site.idle()


def at_once(visitors: list[Visitor], work: Callable[[Visitor], Any]) -> None:
    """Everybody works in a thread of their own, and nobody begins before all are there."""
    barrier = threading.Barrier(len(visitors))

    def run(visitor: Visitor) -> None:
        barrier.wait(60)
        work(visitor)

    with ThreadPoolExecutor(len(visitors)) as pool:
        list(pool.map(run, visitors))


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Samples of this process's memory meanwhile; the first is from before."""
    samples = [memory()]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            samples.append(memory())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def wave(site: Site, visitors: list[Visitor], data: bytes, requests: int, title: str) -> Tally:
    """Every visitor asks for several jobs, one after the other; none may fail but for the queue."""
    tally = Tally()

    def work(visitor: Visitor) -> None:
        file = visitor.upload(data)
        for _ in range(requests):
            visitor.session = f"{visitor.session}x"  # a stream of its own for each job
            tally.ask(visitor, file)

    at_once(visitors, work)
    tally.said(title)
    assert set(tally.outcomes) <= {"done", "full"}, tally.outcomes
    assert tally.outcomes["done"] >= min(9, len(visitors))
    assert site.gate.peak <= 1
    return tally


# --- in every run ---------------------------------------------------------------------------------


@pytest.mark.parametrize("within", [20.0, pytest.param(1.0, marks=pytest.mark.load)])
def test_load_01_of_twenty_at_once_nine_are_served_and_the_others_hear_it_at_once(
    site: Site, crowd: Callable[[int], list[Visitor]], photo: Photo, within: float
) -> None:
    visitors = crowd(20)
    files = {one.session: one.upload(photo()) for one in visitors}
    tally = Tally()
    with site.gate.closed():
        threads = [
            threading.Thread(target=tally.ask, args=(one, files[one.session])) for one in visitors
        ]
        threads[0].start()
        assert site.gate.entered.wait(20)
        for thread in threads[1:]:
            thread.start()
        for _ in range(400):
            if tally.outcomes["full"] >= 10:
                break
            threading.Event().wait(0.05)
        assert tally.outcomes["full"] >= 10  # while the first job still runs
        assert tally.outcomes["done"] == 0
    for thread in threads:
        thread.join(60)
    tally.said("LOAD-01")
    assert set(tally.outcomes) == {"done", "full"}
    assert 8 <= tally.outcomes["done"] <= 10
    assert sum(tally.outcomes.values()) == 20
    print(f"LOAD-01: refused after {quantiles(tally.refused)} s")
    assert max(tally.refused) < within
    assert site.gate.peak == 1


def test_load_02_a_few_users_are_served_in_turn(
    site: Site, crowd: Callable[[int], list[Visitor]], photo: Photo
) -> None:
    tally = wave(site, crowd(6), photo(), 2, "LOAD-02 light, 6 users")
    assert tally.outcomes["done"] == 12
    assert tally.overtaken() <= 6  # the order of joining is measured by the visitors, not the queue


def test_load_04_jobs_leave_no_threads_files_or_descriptors(
    site: Site, visitor: Visitor, photo: Photo, scratch: Path
) -> None:
    file = visitor.upload(photo())

    def some(jobs: int) -> tuple[int, int, set[Path]]:
        for _ in range(jobs):
            visitor.session = f"{visitor.session}x"
            assert visitor.outcome(file, *JOB)["success"]
        assert site.idle()
        return threading.active_count(), descriptors(), set(scratch.glob("swin2sr-*"))

    some(3)
    before = some(3)
    after = some(10)
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 5
    assert after[2] <= before[2]


def drops(site: Site, visitors: list[Visitor], data: bytes, jobs: int, seed: int) -> list[float]:
    """Jobs whose listeners hang up at random moments; seconds until the slot is free."""
    random = np.random.default_rng(seed)
    waited = []
    for number in range(jobs):
        visitor = visitors[number % len(visitors)]
        visitor.session = f"{visitor.session}x"
        file = visitor.upload(data)
        visitor.join(file, *JOB).raise_for_status()
        where = f"/gradio_api/queue/data?session_hash={visitor.session}"
        with visitor.http.stream("GET", where) as stream:
            if random.uniform() < 0.3:
                threading.Event().wait(random.uniform(0, 0.2))
            else:
                for line in stream.iter_lines():
                    if "process_completed" in line:
                        break
        started = time.monotonic()
        assert site.idle()
        waited.append(time.monotonic() - started)
    return waited


def test_load_06_visitors_who_hang_up_keep_neither_slot_nor_threads(
    site: Site, crowd: Callable[[int], list[Visitor]], photo: Photo
) -> None:
    visitors = crowd(4)
    drops(site, visitors, photo(200, 40), 4, 1)
    threads = threading.active_count()
    waited = drops(site, visitors, photo(200, 40), 12, 2)
    print(f"LOAD-06 light: slot free after at most {max(waited):.2f} s")
    assert threading.active_count() <= threads + 3


def test_load_09_bad_pictures_among_the_good_cost_the_good_nothing_but_their_turn(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    good, bad = visitor.upload(photo()), visitor.upload(b"GIF89a no", "b.gif")
    outcomes = []
    for file in (good, bad) * 4:
        visitor.session = f"{visitor.session}x"
        outcomes.append(visitor.outcome(file, *JOB)["success"])
    assert outcomes == [True, False] * 4


def test_load_10_a_job_that_runs_out_of_memory_is_told_and_the_next_is_right(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    file = visitor.upload(photo())
    expected = visitor.outcome(file, *JOB)["output"]["data"][1]["path"]
    visitor.session += "x"
    site.gate.fault = MemoryError("not enough")
    try:
        outcome = visitor.outcome(file, *JOB)
    finally:
        site.gate.fault = None
    assert not outcome["success"]
    assert "memory" in outcome["output"]["error"].lower()
    visitor.session += "x"
    again = visitor.outcome(file, *JOB)["output"]["data"][1]["path"]
    assert Path(again).read_bytes() == Path(expected).read_bytes()


@pytest.mark.parametrize("count", [40, pytest.param(300, marks=pytest.mark.load)])
def test_sec_24_slow_and_idle_connections_do_not_keep_others_out(site: Site, count: int) -> None:
    host, port = site.url.removeprefix("http://").split(":")
    open_ones = [socket.create_connection((host, int(port)), 20) for _ in range(2 * count)]
    try:
        for one in open_ones[::2]:
            one.sendall(b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: a\r\nContent-Le")
        started = time.monotonic()
        answer = httpx.get(f"{site.url}/health", trust_env=False)
        seconds = time.monotonic() - started
    finally:
        for one in open_ones:
            one.close()
    print(f"SEC-24: answered in {seconds * 1000:.0f} ms beside {2 * count} connections")
    assert answer.json() == {"status": "ok"}
    assert seconds < 1


# --- on a quiet machine ---------------------------------------------------------------------------


@pytest.mark.load
@pytest.mark.timeout(900)
@pytest.mark.parametrize("users", [1, 10, 50, 100])
def test_load_02_05_crowds_are_served_in_turn_within_memory(
    site: Site, crowd: Callable[[int], list[Visitor]], photo: Photo, users: int
) -> None:
    visitors = crowd(users)
    wave(site, visitors[:1], photo(), 3, "warm-up")
    budget = site.page.service.models.get("swin2sr-small-x2").estimate((40, 30)).bytes / MEGABYTE
    with peak_memory() as samples:
        tally = wave(site, visitors, photo(), 5, f"LOAD-02, {users} users")
    peak = max(samples) - samples[0]
    print(f"LOAD-05, {users} users: {samples[0]:.0f} MB before, {peak:.0f} MB more at the peak")
    assert peak <= budget + 200
    if users <= 8:
        assert tally.overtaken() <= 1


@pytest.mark.load
def test_load_03_an_empty_job_costs_little(site: Site, visitor: Visitor, photo: Photo) -> None:
    file = visitor.upload(photo(8, 8))
    tally = Tally()
    for number in range(55):
        if number == 5:
            tally = Tally()
        visitor.session = f"{visitor.session}x"
        tally.ask(visitor, file)
    tally.said("LOAD-03, 1 user")
    assert quantiles(tally.seconds)[0] <= 0.150


@pytest.mark.load
@pytest.mark.timeout(1800)
def test_load_04_a_long_day_leaves_nothing_behind(
    site: Site, visitor: Visitor, photo: Photo, scratch: Path
) -> None:
    from gradio.route_utils import delete_files_created_by_app

    data = photo(512, 512)
    series: list[tuple[float, int, int]] = []
    kept = 100  # sessions whose states the framework holds on to, ``state_session_capacity``
    for number in range(kept + 250):
        if number % 50 == 0:  # uploads are deleted after ten minutes
            file = visitor.upload(data)
        visitor.session = f"{visitor.session}x"
        assert visitor.outcome(file, *JOB)["success"]
        series.append((memory(), threading.active_count(), descriptors()))
    warm = series[kept + 50 :]
    slope = np.polyfit(range(len(warm)), [one[0] for one in warm], 1)[0] * 100
    print(
        f"LOAD-04: {slope:+.1f} MB/100 jobs ({warm[0][0]:.0f} to {warm[-1][0]:.0f} MB); threads "
        f"{warm[0][1]} to {warm[-1][1]}; descriptors {warm[0][2]} to {warm[-1][2]}"
    )
    assert slope <= 10
    assert warm[-1][1] <= warm[0][1] + 2
    assert warm[-1][2] <= warm[0][2] + 5
    delete_files_created_by_app(site.page.demo, None)
    assert not Path(file["path"]).exists()
    assert site.idle()
    assert not list(scratch.glob("swin2sr-*"))


@pytest.mark.load
@pytest.mark.timeout(600)
def test_load_06_many_visitors_hang_up(
    site: Site, crowd: Callable[[int], list[Visitor]], photo: Photo
) -> None:
    visitors = crowd(10)
    drops(site, visitors, photo(400, 40), 10, 1)
    threads = threading.active_count()
    waited = drops(site, visitors, photo(400, 40), 100, 2)
    print(f"LOAD-06: slot free after at most {max(waited):.2f} s, p95 {quantiles(waited)[1]} s")
    assert max(waited) <= 1.0  # a tile of this network takes milliseconds
    assert threading.active_count() <= threads + 3


@pytest.mark.load
@pytest.mark.timeout(600)
def test_load_09_bad_pictures_leave_the_good_ones_speed(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    good, bad = visitor.upload(photo(120, 90)), visitor.upload(b"GIF89a no", "b.gif")

    def p95(files: list[dict[str, Any]]) -> float:
        tally = Tally()
        for file in files:
            visitor.session = f"{visitor.session}x"
            tally.ask(visitor, file)
        return quantiles(tally.seconds)[1]

    p95([good] * 20)
    alone, mixed = p95([good] * 60), p95([good, bad] * 60)
    print(f"LOAD-09: p95 of good jobs {alone} s alone, {mixed} s among as many bad ones")
    assert mixed <= alone * 1.2


@pytest.mark.load
@pytest.mark.timeout(300)
def test_load_12_the_first_job_of_a_fresh_process_is_not_slow(
    root: Path, tmp_path: Path, photo: Photo
) -> None:
    from gradio_client import Client, handle_file

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    source = tmp_path / "a.png"
    source.write_bytes(photo(64, 48))
    environment = {
        **os.environ,
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(tmp_path / "gradio"),
    }
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=root, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        while True:
            assert process.poll() is None
            try:
                if httpx.get(f"{url}/ready", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                threading.Event().wait(0.1)
        ready = time.monotonic() - started
        client = Client(url, verbose=False, download_files=str(tmp_path), analytics_enabled=False)
        seconds = []
        for _ in range(8):
            begun = time.monotonic()
            client.predict(handle_file(source), *JOB, False, api_name="/restore")
            seconds.append(time.monotonic() - begun)
    finally:
        process.kill()
        process.communicate()
    median = statistics.median(seconds[1:])
    print(
        f"LOAD-12: ready after {ready:.1f} s; first job {seconds[0]:.2f} s, median {median:.2f} s"
    )
    assert seconds[0] <= 2 * median
