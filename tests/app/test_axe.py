"""No serious fault of accessibility on any tab, in light and dark, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.app.conftest import Site, Tab

expect = pytest.importorskip("playwright.sync_api").expect

AXE = Path(__file__).parent / "axe" / "axe.min.js"
PATIENCE = 20_000  # milliseconds

pytestmark = pytest.mark.browser


def ways(site: Site) -> list[list[str]]:
    """How to reach every tab: titles from the outside in, as tabs may hold others."""
    config = site.page.demo.config
    labels = {
        one["id"]: one["props"]["label"] for one in config["components"] if one["type"] == "tabitem"
    }

    def below(node: dict[str, Any], way: list[str]) -> Iterator[list[str]]:
        here = [*way, labels[node["id"]]] if node["id"] in labels else way
        deeper = [one for child in node.get("children", []) for one in below(child, here)]
        yield from deeper or ([here] if here != way else [])

    return list(below(config["layout"], []))


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_tab_has_a_serious_violation_or_is_cut_off(
    site: Site, tab: Tab, theme: str, width: int
) -> None:
    assert ["Restore"] in ways(site)
    page = tab.open("Restore", theme, width)
    for way in ways(site):
        for title in way:
            tab.choose(title)
        assert tab.violations() == [], way
        assert page.evaluate("document.documentElement.scrollWidth") <= width, way


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_results_have_no_serious_violation(
    tab: Tab, theme: str, photo: Callable[..., bytes], tmp_path: Path
) -> None:
    paths = [tmp_path / "one.png", tmp_path / "two.png"]
    for path in paths:
        path.write_bytes(photo(40, 30))
    page = tab.open("Restore", theme)
    page.locator("input[type=file]").first.set_input_files(paths[0])
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.locator("#restore-report")).to_contain_text("pixels in", timeout=PATIENCE)
    expect(page.get_by_role("button", name="Download PNG")).to_be_enabled(timeout=PATIENCE)
    assert tab.violations() == []
    page = tab.open("Batch", theme)
    page.locator("input[type=file][multiple]:not([disabled])").first.set_input_files(paths)
    page.get_by_role("button", name="Restore all").click()
    expect(page.locator("#batch-report")).to_contain_text("2 of 2", timeout=PATIENCE)
    expect(page.get_by_role("button", name="Download all as zip")).to_be_enabled(timeout=PATIENCE)
    assert tab.violations() == []


def test_axe_finds_what_is_wrong(tab: Tab) -> None:
    page = tab.open()
    page.evaluate("document.body.append(document.createElement('button'))")
    assert any(one.startswith("button-name") for one in tab.violations())


def test_axe_comes_with_its_licence() -> None:
    head = AXE.read_text(encoding="utf-8")[:700]
    assert "Mozilla Public" in head
    assert "Mozilla Public License" in (AXE.parent / "LICENSE").read_text(encoding="utf-8")
