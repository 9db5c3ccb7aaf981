"""What a job says while it runs."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Update:
    """What a job has to say.

    Args:
        text: Markdown, or with ``failed`` one plain sentence.
        done, total: steps, mostly tiles; ``total`` is 0 while they are not known.
        result: at the end, what the action made: a dataclass of its own. Files it names are there
            until the job is asked for its next update.
        failed: there will be no result.
    """

    text: str
    done: int = 0
    total: int = 0
    result: Any = None
    failed: bool = False


Updates: TypeAlias = Generator[Update, None, None]
