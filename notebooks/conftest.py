"""For nbmake: run lessons without nbclient's stand-in for output widgets.

The stand-in sends messages on the very socket on which the end of a cell is awaited, and then the
end is sometimes overlooked until the cell's timeout: in 2 of 17 runs with six sliders each,
and in none of 40 without it. Lessons lose nothing: nobody moves a slider there.

Source: jupyter/nbclient issue 312.
"""

from __future__ import annotations

from typing import Any

from nbclient import NotebookClient


def _no_stand_in(client: NotebookClient, message: dict[str, Any]) -> None:
    """Answer a new widget with nothing."""


NotebookClient.on_comm_open_jupyter_widget = _no_stand_in
