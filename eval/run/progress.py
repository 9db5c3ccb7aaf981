"""Progress bar: how much is done, what is being worked on, how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable

from swin2sr.console import Console
from swin2sr.inference.estimate import duration

_WIDTH = 24


class ProgressBar:
    """Progress bar on the terminal's last line; nothing where standard error is no terminal.

    Args:
        console: where to; None shows nothing. total: steps. clock: seconds, ever growing.
    """

    def __init__(
        self, console: Console | None, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._total = total
        self._clock = clock
        self._start = clock()
        self._done = 0

    def working_on(self, what: str) -> None:
        """Show what is being done now."""
        if self._console is not None:
            self._console.progress(self.line(what))

    def step(self) -> None:
        """Count one more as done."""
        self._done += 1

    def line(self, what: str) -> str:
        """Text of the bar."""
        filled = _WIDTH * self._done // self._total if self._total else _WIDTH
        bar = "#" * filled + "." * (_WIDTH - filled)
        return f"[{bar}] {self._done}/{self._total}{self._left()}  {what}"

    def _left(self) -> str:
        if not self._done:
            return ""
        each = (self._clock() - self._start) / self._done
        return f", {duration(each * (self._total - self._done))} left"
