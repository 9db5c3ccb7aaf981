"""The page in a browser: what a person does with mouse and keys."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.app.conftest import Site

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE = 20_000  # milliseconds

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def faults() -> list[str]:
    """What the browser complained about, and whatever it asked other machines for."""
    return []


@pytest.fixture
def tab(site: Site, browser: Browser, faults: list[str]) -> Iterator[Page]:
    """The page, opened. At the end nothing may have been wrong."""
    assert site.idle()
    tab = browser.new_page()
    tab.set_default_timeout(PATIENCE)
    tab.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on(
        "request",
        lambda request: (
            faults.append(request.url)
            if urlsplit(request.url).hostname not in ("127.0.0.1", None, "")
            else None
        ),
    )
    tab.on(
        "response",
        lambda answer: (
            faults.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
        ),
    )
    tab.goto(site.url)
    tab.get_by_role("button", name="Upscale", exact=True).wait_for()
    yield tab
    tab.close()
    assert faults == []


@pytest.fixture
def holiday(photo: Callable[..., bytes], tmp_path: Path) -> Path:
    path = tmp_path / "holiday.png"
    path.write_bytes(photo(400, 40))
    return path


def choose(tab: Page, path: Path) -> None:
    """Upload a file, and wait until the page has looked at it."""
    tab.set_input_files("input[type=file]", path)
    expect(tab.locator("#about")).to_contain_text("pixels", timeout=PATIENCE)


def upscale(tab: Page) -> None:
    tab.get_by_role("button", name="Upscale", exact=True).click()


def finish(tab: Page) -> None:
    expect(tab.locator("#report")).to_contain_text("pixels in", timeout=PATIENCE)


def test_sec_21_a_photo_is_upscaled_compared_and_downloaded(
    site: Site, tab: Page, holiday: Path
) -> None:
    download = tab.get_by_role("button", name="Download PNG")
    expect(download).to_be_disabled()
    choose(tab, holiday)
    expect(tab.locator("#about")).to_contain_text("400x40 pixels")
    upscale(tab)
    finish(tab)
    expect(tab.locator("#report")).to_contain_text("400x40 to 800x80 pixels")
    sizes = tab.locator(".slider-wrap img, .image-container img, img.fixed").evaluate_all(
        "images => images.map(i => [i.naturalWidth, i.naturalHeight])"
    )
    assert [800, 80] in sizes
    expect(download).to_be_enabled()
    with tab.expect_download() as saved:
        download.click()
    assert saved.value.suggested_filename == "holiday_swin2sr_x2.png"
    visitor = site.visit()
    file = visitor.outcome(visitor.upload(holiday.read_bytes()), "sharpen-x2", "fast")
    expected = visitor.result(file["output"]["data"][1])
    assert Path(saved.value.path()).read_bytes() == expected


def test_an_example_is_one_click(tab: Page) -> None:
    tab.locator(".gallery-item").nth(1).click()
    expect(tab.locator("#about")).to_contain_text("241x160 pixels", timeout=PATIENCE)
    upscale(tab)
    finish(tab)


def test_load_07_stop_ends_the_job_and_says_so(site: Site, tab: Page, holiday: Path) -> None:
    choose(tab, holiday)
    with site.gate.closed():
        upscale(tab)
        expect(tab.locator("#report")).to_contain_text("Tile 1 of", timeout=PATIENCE)
        assert site.gate.entered.wait(20)
        tab.get_by_role("button", name="Stop").click()
        expect(tab.locator("#report")).to_have_text("Stopped.", timeout=PATIENCE)
    assert site.idle()
    upscale(tab)
    finish(tab)


def test_a_bad_file_is_explained_in_a_sentence(tab: Page, tmp_path: Path) -> None:
    path = tmp_path / "holiday.png"
    path.write_bytes(b"GIF89a and then nothing")
    tab.set_input_files("input[type=file]", path)
    upscale(tab)
    expect(tab.locator("#report strong")).to_be_visible(timeout=PATIENCE)
    told = tab.locator("#report").inner_text()
    assert told.endswith(".")
    assert "/" not in told
    assert "went wrong" not in told
    expect(tab.get_by_test_id("toast-body")).to_contain_text(told)


def test_without_a_picture_the_page_asks_for_one(tab: Page) -> None:
    upscale(tab)
    expect(tab.locator("#report")).to_have_text(
        "There is no picture yet. Upload or paste one.", timeout=PATIENCE
    )


def test_arrow_keys_move_the_line_between_before_and_after(tab: Page, holiday: Path) -> None:
    choose(tab, holiday)
    upscale(tab)
    finish(tab)
    line = tab.get_by_test_id("slider")
    before = line.get_attribute("style")
    slider = tab.get_by_role("slider", name="Dividing line")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    expect(slider).to_have_value("55")
    expect(line).not_to_have_attribute("style", before, timeout=PATIENCE)


def test_a_task_with_one_model_offers_no_choice_and_says_what_it_needs(tab: Page) -> None:
    fast = tab.get_by_role("radio", name="Fast")
    expect(fast).to_be_visible()
    tab.get_by_role("radio", name="Repair a JPEG").click()
    expect(fast).to_be_hidden()
    expect(tab.locator("#about")).to_contain_text("needs the internet", timeout=PATIENCE)


def test_changes_of_the_report_are_read_out(tab: Page) -> None:
    expect(tab.locator("#report")).to_have_attribute("aria-live", "polite")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off(site: Site, tab: Page, theme: str) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.goto(f"{site.url}/?__theme={theme}")
    go = tab.get_by_role("button", name="Upscale", exact=True)
    go.wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert go.bounding_box()["width"] > 100  # type: ignore[index]
