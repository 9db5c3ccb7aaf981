"""The tab "Restore" in a browser: what a person does with mouse and keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from swin2sr.demo.jobs.example_cache import REMARK

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.app.conftest import Site, Tab

expect = pytest.importorskip("playwright.sync_api").expect

PATIENCE = 20_000  # milliseconds

pytestmark = pytest.mark.browser


@pytest.fixture
def holiday(photo: Callable[..., bytes], tmp_path: Path) -> Path:
    path = tmp_path / "holiday.png"
    path.write_bytes(photo(400, 40))
    return path


def choose(page: Page, path: Path) -> None:
    """Upload a file, and wait until the page has looked at it."""
    page.locator("input[type=file]").first.set_input_files(path)
    expect(page.locator("#restore-preview")).to_contain_text("pixels", timeout=PATIENCE)


def restore(page: Page) -> None:
    page.get_by_role("button", name="Restore", exact=True).click()


def finish(page: Page) -> None:
    expect(page.locator("#restore-report")).to_contain_text("pixels in", timeout=PATIENCE)


def press_until(page: Page, key: str, focused: str, most: int = 60) -> None:
    """Press a key until the element with the focus says what it is; fails when it never does."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate(f"document.activeElement.matches({focused!r})"):
            return
    raise AssertionError(f"{key} does not lead to {focused}")


def test_sec_21_a_photo_is_restored_compared_and_downloaded(
    site: Site, tab: Tab, holiday: Path
) -> None:
    page = tab.open()
    download = page.get_by_role("button", name="Download PNG")
    expect(download).to_be_disabled()
    choose(page, holiday)
    expect(page.locator("#restore-preview")).to_contain_text("400x40 pixels")
    restore(page)
    finish(page)
    expect(page.locator("#restore-report")).to_contain_text("400x40 to 800x80 pixels")
    sizes = page.locator(".slider-wrap img, .image-container img, img.fixed").evaluate_all(
        "images => images.map(i => [i.naturalWidth, i.naturalHeight])"
    )
    assert [800, 80] in sizes
    for name in ("before", "holiday_swin2sr_x2"):  # what is read out to who cannot see them
        expect(page.get_by_role("img", name=name, exact=True)).to_have_count(1)
    expect(download).to_be_enabled()
    with page.expect_download() as saved:
        download.click()
    assert saved.value.suggested_filename == "holiday_swin2sr_x2.png"
    visitor = site.visit()
    file = visitor.outcome(visitor.upload(holiday.read_bytes()), "sharpen-x2", "fast")
    expected = visitor.result(file["output"]["data"][1])
    assert Path(saved.value.path()).read_bytes() == expected


def test_an_example_is_one_click_and_the_second_time_it_is_there_already(tab: Tab) -> None:
    page = tab.open()
    for time in (1, 2):
        page.get_by_role("radio", name="Real-world photo x4").click()
        page.get_by_role("button", name="Example: chelsea").first.click()
        finish(page)
        expect(page.get_by_role("radio", name="Sharpen x2")).to_be_checked()
        expect(page.locator("#restore-preview")).to_contain_text("241x160 pixels", timeout=PATIENCE)
        expect(page.get_by_role("button", name="Download PNG")).to_be_enabled(timeout=PATIENCE)
        if time == 2:
            expect(page.locator("#restore-report")).to_contain_text(REMARK)
        page.reload()


def test_a_picture_can_be_pasted(tab: Tab, holiday: Path) -> None:
    page = tab.open()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        """async bytes => {
            const image = new Blob([new Uint8Array(bytes)], {type: 'image/png'});
            await navigator.clipboard.write([new ClipboardItem({'image/png': image})]);
        }""",
        list(holiday.read_bytes()),
    )
    page.get_by_role("button", name="Paste from clipboard").first.click()
    expect(page.locator("#restore-preview")).to_contain_text("400x40 pixels", timeout=PATIENCE)


def test_load_07_stop_ends_the_job_and_says_so(site: Site, tab: Tab, holiday: Path) -> None:
    page = tab.open()
    choose(page, holiday)
    with site.gate.closed():
        restore(page)
        expect(page.locator("#restore-report")).to_contain_text("Tile 1 of", timeout=PATIENCE)
        assert site.gate.entered.wait(20)
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#restore-report")).to_have_text("Stopped.", timeout=PATIENCE)
    assert site.idle()
    restore(page)
    finish(page)


def test_while_it_runs_the_page_keeps_its_height(site: Site, tab: Tab, holiday: Path) -> None:
    page = tab.open()
    choose(page, holiday)
    before = page.locator(".slider-wrap, [data-testid=imageslider], .block").first.bounding_box()
    height = page.evaluate("document.documentElement.scrollHeight")
    with site.gate.closed():
        restore(page)
        expect(page.locator("#restore-report")).to_contain_text("Tile 1 of", timeout=PATIENCE)
        assert page.evaluate("document.documentElement.scrollHeight") >= height - 40
    finish(page)
    assert before is not None


def test_a_bad_file_is_explained_in_a_sentence(tab: Tab, tmp_path: Path) -> None:
    page = tab.open()
    path = tmp_path / "holiday.png"
    path.write_bytes(b"GIF89a and then nothing")
    page.locator("input[type=file]").first.set_input_files(path)
    restore(page)
    expect(page.locator("#restore-report strong")).to_be_visible(timeout=PATIENCE)
    told = page.locator("#restore-report").inner_text()
    assert told.endswith(".")
    assert "/" not in told
    assert "went wrong" not in told
    expect(page.get_by_test_id("toast-body")).to_contain_text(told)


def test_without_a_picture_the_page_asks_for_one(tab: Tab) -> None:
    page = tab.open()
    restore(page)
    expect(page.locator("#restore-report")).to_have_text(
        "There is no picture yet. Upload or paste one.", timeout=PATIENCE
    )


def test_arrow_keys_move_the_line_between_before_and_after(tab: Tab, holiday: Path) -> None:
    page = tab.open()
    choose(page, holiday)
    restore(page)
    finish(page)
    line = page.get_by_test_id("slider")
    before = line.get_attribute("style")
    slider = page.get_by_role("slider", name="Dividing line")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    expect(slider).to_have_value("55")
    expect(line).not_to_have_attribute("style", before, timeout=PATIENCE)


def test_the_whole_way_can_be_gone_by_keyboard(tab: Tab) -> None:
    page = tab.open()
    page.keyboard.press("Home")
    press_until(page, "Tab", 'button[aria-label="Example: chelsea"]')
    page.keyboard.press("Enter")
    expect(page.locator("#restore-preview")).to_contain_text("241x160 pixels", timeout=PATIENCE)
    press_until(page, "Tab", 'input[value="sharpen-x4"]')
    page.keyboard.press("Space")
    expect(page.get_by_role("radio", name="Sharpen x4")).to_be_checked()
    press_until(page, "Tab", "button.primary")
    page.keyboard.press("Enter")
    expect(page.locator("#restore-report")).to_contain_text("to 964x640", timeout=PATIENCE)
    press_until(page, "Tab", 'input[type="range"]')
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("slider", name="Dividing line")).to_have_value("49")
    expect(page.get_by_role("button", name="Download PNG")).to_be_enabled(timeout=PATIENCE)
    with page.expect_download() as saved:
        press_until(page, "Tab", "#restore-download, #restore-download *")
        page.keyboard.press("Enter")
    assert saved.value.suggested_filename == "chelsea_swin2sr_x4.png"


def test_a_task_with_one_model_offers_no_choice_and_says_what_it_needs(tab: Tab) -> None:
    page = tab.open()
    fast = page.get_by_role("radio", name="Fast")
    expect(fast).to_be_visible()
    page.get_by_role("radio", name="Real-world photo x4").click()
    expect(fast).to_be_hidden()
    expect(page.locator("#restore-preview")).to_contain_text("needs the internet", timeout=PATIENCE)


def test_changes_of_the_reports_are_read_out(tab: Tab) -> None:
    page = tab.open()
    expect(page.locator("#restore-report")).to_have_attribute("aria-live", "polite")
    page.get_by_role("tab", name="Batch", exact=True).click()
    expect(page.locator("#batch-report")).to_have_attribute("aria-live", "polite")


def test_the_chosen_tab_is_told_to_who_cannot_see_it(tab: Tab) -> None:
    page = tab.open("About")
    expect(page.get_by_role("tab", name="About", exact=True)).to_have_attribute(
        "aria-selected", re.compile("true")
    )
    page.get_by_role("tab", name="About", exact=True).focus()
    page.keyboard.press("Home")
    press_until(page, "Shift+Tab", '[role="tab"]')
