"""What every test shares: one thread, no network, the seeded property profile, the data folder."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

# Set before torch, huggingface_hub and gradio are imported (they read them once), and inherited
# by the processes tests start. Two cores are shared with whatever else runs on the machine, and
# one thread gives the same bits everywhere.
_HOME = Path(tempfile.mkdtemp(prefix="swin2sr-tests-"))
os.environ.update(
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    MPLBACKEND="Agg",
    HF_HOME=str(_HOME / "huggingface"),
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    GRADIO_ANALYTICS_ENABLED="False",
    GRADIO_TEMP_DIR=str(_HOME / "gradio"),
)
for _name in ("HF_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT"):
    os.environ.pop(_name, None)

import swin2sr  # noqa: E402, F401, I001 - before torch: it sets how OpenMP threads wait

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2  # each computes on one thread
NOT_LOAD = "not load"  # as pyproject.toml says when nobody says anything

settings.register_profile("swin2sr", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("swin2sr")


class NetworkRefusedError(ConnectionRefusedError):
    """What a connection beyond this machine gets while tests run: the network looks absent."""


pytest_plugins = ("tests.fake_hub",)  # a Hub on this machine, for every test that downloads


def _address(host: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address a host is written as; None for a name that would have to be looked up."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address("127.0.0.1" if name in ("", "localhost") else name)
    except ValueError:
        return None


def _guarded(method: str) -> Any:
    real = getattr(socket.socket, method)

    def connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            place = _address(address[0])
            if place is None or not (place.is_loopback or place.is_unspecified):
                raise NetworkRefusedError(f"tests may not connect to {address[0]}")
        return real(self, address)

    return connect


def _guarded_lookup() -> Any:
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None and _address(host) is None:
            raise socket.gaierror(socket.EAI_AGAIN, f"tests may not look up {host}")
        return real(host, *args, **kwargs)

    return getaddrinfo


_NETWORK = pytest.MonkeyPatch()


def pytest_configure(config: pytest.Config) -> None:
    """Cut the network off for the whole session and compute on one thread."""
    _NETWORK.setattr(socket.socket, "connect", _guarded("connect"))
    _NETWORK.setattr(socket.socket, "connect_ex", _guarded("connect_ex"))
    _NETWORK.setattr(socket, "getaddrinfo", _guarded_lookup())
    torch.set_num_threads(1)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two processes for the whole suite, one for a part of it: what somebody is working on."""
    option = config.option
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    last_failed = config.getoption("lf", default=False)  # absent without pytest's cache
    chosen = option.keyword or option.markexpr != NOT_LOAD or last_failed or option.usepdb
    return 0 if named or chosen else WORKERS


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give the network back and remove the session's own home folder."""
    _NETWORK.undo()
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of benchmark data: SWIN2SR_DATA, or ``shared/data`` beside the checkout."""
    folder = Path(os.environ.get("SWIN2SR_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("no benchmark data (SWIN2SR_DATA)")
    return folder
