"""Before and after lie exactly on each other, whatever the picture's shape and the screen's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.app.conftest import Tab

expect = pytest.importorskip("playwright.sync_api").expect

PATIENCE = 20_000  # milliseconds
SHAPES = {"3-4": (96, 128), "1-1": (112, 112), "4-3": (128, 96), "9-16": (72, 128)}
WIDTHS = (390, 1024, 1440, 1920)

# The boxes of the two pictures in the slider, once both are loaded and have stood still for four
# frames: the boxes are laid out from sizes that are measured after a picture has loaded, and
# after the screen has changed.
BOXES = """() => new Promise(tell => {
    let last = '', still = 0;
    const look = () => {
        const found = [...document.querySelectorAll('.slider-wrap img')];
        const boxes = found.map(one => {
            const {x, y, width, height} = one.getBoundingClientRect();
            return [x, y, width, height];
        });
        const loaded = found.length === 2 && found.every(one => one.naturalWidth > 0);
        const now = JSON.stringify([innerWidth, boxes]);
        still = loaded && now === last ? still + 1 : 0;
        last = now;
        if (still === 4) tell(boxes); else requestAnimationFrame(look);
    };
    look();
})"""

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("shape", SHAPES)
def test_before_and_after_have_the_same_box(
    tab: Tab, photo: Callable[..., bytes], tmp_path: Path, shape: str
) -> None:
    path = tmp_path / "holiday.png"
    path.write_bytes(photo(*SHAPES[shape]))
    page = tab.open()
    page.locator("input[type=file]").first.set_input_files(path)
    expect(page.locator("#restore-preview")).to_contain_text("pixels", timeout=PATIENCE)
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.locator("#restore-report")).to_contain_text("pixels in", timeout=PATIENCE)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        before, after = page.evaluate(BOXES)
        assert min(after[2:]) > 50
        assert before == pytest.approx(after, abs=1), f"{width} px wide"
