"""Being interrupted between two steps, never within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Whether somebody asked the run to stop."""

    def __init__(self) -> None:
        self.seen = False


@contextmanager
def remembered() -> Iterator[Interrupts]:
    """Remember Ctrl-C and SIGTERM, so that a step becomes whole before the run stops.

    A second Ctrl-C acts at once, as always. Only the main thread hears signals; in another,
    nothing is changed.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    # None is a handler that Python did not install and cannot put back.
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.getsignal(kind) or signal.SIG_DFL for kind in kinds}

    def remember(kind: int, frame: FrameType | None) -> None:
        interrupts.seen = True
        signal.signal(kind, before[signal.Signals(kind)])

    try:
        for kind in before:
            signal.signal(kind, remember)
        yield interrupts
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
