"""The tab "Compare", as people and their programs see it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from swin2sr import metrics
from swin2sr.demo.models import COMPARE_TASKS, DEFAULT_MODEL
from swin2sr.errors import WeightsError

try:
    from playwright.sync_api import expect
except ImportError:  # the tests that need it are skipped by the browser's fixture
    expect = None

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.app.conftest import Site, Tab, Visitor

Photo = Callable[..., bytes]
MODELS = ["bicubic", "lanczos", DEFAULT_MODEL]
PATIENCE = 30_000  # milliseconds
OFFLINE = WeightsError("It is not here.", code="offline", remedy="Go online once.")
GONE = "These results have been deleted from the server. Compare again."


def client(site: Site, folder: Path) -> Client:
    return Client(site.url, verbose=False, download_files=str(folder), analytics_enabled=False)


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def compare(visitor: Visitor, *data: Any) -> list[dict[str, Any]]:
    """Ask for a comparison; returns all that was said."""
    visitor.join(*data, function="compare").raise_for_status()
    return list(visitor.messages())


def ended(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return next(one for one in messages if one["msg"] == "process_completed")


def place(visitor: Visitor, *data: Any) -> str:
    """What is said of a place that a visitor wants to see."""
    outcome = visitor.outcome(*data, function="close_up")
    return str(outcome["output"]["data"][2])


# --- through the API ------------------------------------------------------------------------------


def test_a_program_gets_files_and_scores_that_belong_together(
    site: Site, photo: Photo, tmp_path: Path
) -> None:
    source = tmp_path / "holiday.png"
    source.write_bytes(photo(41, 30))
    gallery, maps, table, sheet, report = client(site, tmp_path).predict(
        handle_file(source), "x2", "test", MODELS, api_name="/compare"
    )
    assert [one["caption"].split(",")[0] for one in gallery] == ["original", *MODELS]
    original = pixels(gallery[0]["image"])
    np.testing.assert_array_equal(original, pixels(str(source))[:, :40])
    rows = list(csv.DictReader(io.StringIO(sheet)))
    for row, one in zip(rows, gallery[1:], strict=True):
        psnr = metrics.psnr(pixels(one["image"]), original, border=2)
        assert row["PSNR Y (dB)"] == f"{psnr:.2f}"
        assert f"{psnr:.2f} dB" in one["caption"]
        assert f"| {row['Model']} | {psnr:.2f} |" in table
    assert len(maps) == len(MODELS)
    assert Path(gallery[-1]["image"]).name == f"holiday_{DEFAULT_MODEL}_x2.png"
    assert "it is not beauty" in report
    assert "Y of BT.601" in report


def test_a_picture_alone_is_enough_for_a_program(site: Site, photo: Photo, tmp_path: Path) -> None:
    source = tmp_path / "holiday.png"
    source.write_bytes(photo(40, 30))
    gallery, *_ = client(site, tmp_path).predict(handle_file(source), api_name="/compare")
    assert len(gallery) == 1 + len(COMPARE_TASKS["x2"].included)


def test_an_original_of_the_wrong_size_is_told_in_a_sentence(
    site: Site, photo: Photo, tmp_path: Path
) -> None:
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    small.write_bytes(photo(30, 20))
    large.write_bytes(photo(70, 40))
    with pytest.raises(AppError, match="will have 60x40 pixels") as caught:
        client(site, tmp_path).predict(
            *(handle_file(small), "x2", "given", MODELS, 10, handle_file(large)),
            api_name="/compare",
        )
    assert str(tmp_path) not in str(caught.value)


def test_a_model_that_cannot_be_had_costs_the_others_nothing(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    name = "swin2sr-classical-x2"
    site.faults[name] = OFFLINE
    try:
        models = ["bicubic", name, DEFAULT_MODEL]
        messages = compare(visitor, visitor.upload(photo()), "x2", "test", models, 10, None)
    finally:
        del site.faults[name]
    gallery, _, _, sheet, report = ended(messages)["output"]["data"][:5]
    assert [one["caption"].split(",")[0] for one in gallery] == [
        "original",
        "bicubic",
        DEFAULT_MODEL,
    ]
    assert list(csv.DictReader(io.StringIO(sheet)))[2]["PSNR Y (dB)"] == ""
    assert f"- {name}: {name} is not on this machine yet" in report


@pytest.mark.parametrize(
    "data",
    [
        ("x9", "test", MODELS, 10),
        ("x2", "maybe", MODELS, 10),
        ("x2", "test", ["swin2sr-classical-x4"], 10),
        ("x2", "test", [], 10),
        ("x2", "test", "../../etc", 10),
        ("x2", "test", {"a": 1}, 10),
        ("jpeg", "test", ["input"], "lots"),
    ],
)
def test_sec_13_what_is_not_offered_is_refused_in_words(
    visitor: Visitor, photo: Photo, data: tuple[Any, ...]
) -> None:
    outcome = ended(compare(visitor, visitor.upload(photo()), *data, None))
    assert not outcome["success"]
    assert "went wrong" not in outcome["output"]["error"]
    assert outcome["output"]["error"].endswith(".")


@pytest.mark.parametrize("which", [0, 5])
def test_sec_25_paths_that_were_not_uploaded_are_refused(
    visitor: Visitor, photo: Photo, which: int
) -> None:
    data = [visitor.upload(photo()), "x2", "given", MODELS, 10, visitor.upload(photo(80, 60))]
    data[which] = {"path": __file__}
    outcome = ended(compare(visitor, *data))
    assert outcome["output"]["error"] == "Please upload the image."


def test_stop_keeps_what_is_finished(site: Site, visitor: Visitor, photo: Photo) -> None:
    with site.gate.closed():
        data = (visitor.upload(photo()), "x2", "test", MODELS, 10, None)
        visitor.join(*data, function="compare").raise_for_status()
        assert site.gate.entered.wait(20)
        body = {
            "data": [],
            "fn_index": site.number("stop_compare"),
            "session_hash": visitor.session,
        }
        stopped = visitor.http.post("/gradio_api/run/stop_compare", json=body)
    assert stopped.json()["data"] == ["Stopped. What is finished stays."]
    messages = list(visitor.messages())
    assert site.idle()
    assert "lanczos" in json.dumps(messages)
    assert place(visitor, None, 50, 50, 16).startswith("16x16 pixels")


# --- close up -------------------------------------------------------------------------------------


def test_moving_the_place_runs_no_network(site: Site, visitor: Visitor, photo: Photo) -> None:
    compare(visitor, visitor.upload(photo()), "x2", "test", MODELS, 10, None)
    site.gate.entered.clear()
    assert "from column 0, row 0" in place(visitor, None, 0, 0, 16)
    assert "from column 24, row 14" in place(visitor, None, 100, 100, 16)
    assert not site.gate.entered.is_set()


def test_what_a_visitor_claims_to_have_kept_is_not_believed(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    compare(visitor, visitor.upload(photo()), "x2", "test", MODELS, 10, None)
    other = site.visit()
    forged = {"size": [40, 30], "original": __file__, "asked": 1, "results": []}
    for claim in (None, forged, __file__, [forged]):
        assert place(other, claim, 50, 50, 16) == "There are no results to look at yet."
    assert place(visitor, forged, 50, 50, 16).startswith("16x16 pixels")


def test_places_that_are_none_are_refused_in_words(visitor: Visitor, photo: Photo) -> None:
    compare(visitor, visitor.upload(photo()), "x2", "test", MODELS, 10, None)
    for claim in (("a", 0, 16), (0, 1e9, 16), (0, 0, 10**6), (None, [], {})):
        assert " is a number from " in place(visitor, None, *claim)


def test_sec_23_results_are_deleted_with_time_and_that_is_said(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    from gradio.route_utils import delete_files_created_by_app

    messages = compare(visitor, visitor.upload(photo()), "x2", "test", MODELS, 10, None)
    seen = visitor.outcome(None, 50, 50, 16, function="close_up")["output"]["data"]
    figure = visitor.outcome(None, 50, 50, 16, function="close_up_figure")["output"]["data"][0]
    gallery, maps = ended(messages)["output"]["data"][:2]
    files = [one["image"]["path"] for one in (*gallery, *maps, *seen[1])]
    files += [seen[0]["path"], figure["path"]]
    assert all(Path(file).is_file() for file in files)
    delete_files_created_by_app(site.page.demo, None)
    assert [file for file in files if Path(file).exists()] == []
    assert place(visitor, None, 50, 50, 16) == GONE


# --- in a browser ---------------------------------------------------------------------------------


def choose(tab: Tab, path: Path) -> Page:
    """The tab, a picture in it."""
    page = tab.page
    page.locator("input[type=file]:visible, .tabitem:visible input[type=file]").first.wait_for(
        state="attached"
    )
    panel = page.get_by_role("tabpanel").filter(visible=True)
    panel.locator("input[type=file]").first.set_input_files(path)
    expect(panel.locator(".job-preview").first).to_contain_text("go in", timeout=PATIENCE)
    return page


def finish(page: Page) -> None:
    expect(page.locator("#compare-report")).to_contain_text("PSNR counts", timeout=PATIENCE)
    expect(page.locator("#compare-close-up-report")).to_contain_text(
        "from column", timeout=PATIENCE
    )


def spot(image: Locator, across: float, down: float) -> Any:
    """Where a share of a picture's width and height is in its element, which it may not fill."""
    # A picture that has just been replaced has no size before it is decoded.
    width, height = image.evaluate(
        "one => one.decode().then(() => [one.naturalWidth, one.naturalHeight])"
    )
    box = image.bounding_box()
    assert box is not None
    share = min(box["width"] / width, box["height"] / height)
    margins = (box["width"] - share * width) / 2, (box["height"] - share * height) / 2
    return {"x": margins[0] + across * share * width, "y": margins[1] + down * share * height}


@pytest.fixture
def holiday(photo: Photo, tmp_path: Path) -> Path:
    path = tmp_path / "holiday.png"
    path.write_bytes(photo(60, 44))
    return path


@pytest.mark.browser
def test_a_comparison_by_mouse(site: Site, tab: Tab, holiday: Path) -> None:
    tab.open("Compare")
    page = choose(tab, holiday)
    page.get_by_role("button", name="Compare", exact=True).click()
    finish(page)
    captions = page.locator("#compare-crops .caption-label").all_inner_texts()
    assert [caption.split(",")[0] for caption in captions][:2] == ["original", "bicubic"]
    images = page.locator("#compare-crops img")
    assert images.first.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    size = page.get_by_role("slider", name="Size")
    size.focus()
    page.keyboard.press("Home")
    expect(page.locator("#compare-close-up-report")).to_contain_text("16x16", timeout=PATIENCE)
    site.gate.entered.clear()
    overview = page.get_by_alt_text("The whole picture;")
    for across, down, column, row in ((0.1, 0.1, 0, 0), (0.5, 0.5, 22, 14), (0.9, 0.9, 44, 28)):
        overview.click(position=spot(overview, across, down))
        told = f"column {column}, row {row},"
        expect(page.locator("#compare-close-up-report")).to_contain_text(told, timeout=PATIENCE)
    assert not site.gate.entered.is_set()
    page.get_by_role("button", name="Table to copy").click()
    expect(page.get_by_role("button", name="Copy: As CSV")).to_be_visible(timeout=PATIENCE)
    copied = page.get_by_role("textbox", name="As CSV").input_value()
    assert re.search(rf"^{DEFAULT_MODEL},\d+\.\d\d,", copied, re.MULTILINE)


@pytest.mark.browser
def test_a_comparison_by_keyboard(site: Site, tab: Tab, holiday: Path) -> None:
    tab.open("Compare")
    page = choose(tab, holiday)
    lanczos = page.get_by_role("checkbox", name="Lanczos")
    lanczos.focus()
    page.keyboard.press("Space")
    expect(lanczos).not_to_be_checked()
    page.get_by_role("button", name="Compare", exact=True).focus()
    page.keyboard.press("Enter")
    finish(page)
    assert "lanczos" not in page.locator("#compare-report").inner_text()
    size = page.get_by_role("slider", name="Size")
    size.focus()
    page.keyboard.press("Home")
    expect(page.locator("#compare-close-up-report")).to_contain_text(
        "16x16 pixels", timeout=PATIENCE
    )
    across = page.get_by_role("slider", name="Across")
    across.focus()
    page.keyboard.press("End")
    expect(page.locator("#compare-close-up-report")).to_contain_text("column 44", timeout=PATIENCE)
    page.get_by_role("button", name="Where the results differ most").focus()
    page.keyboard.press("Enter")
    expect(across).not_to_have_value("100", timeout=PATIENCE)


@pytest.mark.browser
def test_choices_follow_the_task(site: Site, tab: Tab) -> None:
    page = tab.open("Compare")
    quality = page.get_by_role("slider", name="JPEG quality")
    expect(quality).to_be_hidden()
    page.get_by_role("radio", name="Repair a JPEG").check()
    expect(quality).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("checkbox", name="Input as it is")).to_be_checked(timeout=PATIENCE)
    expect(page.get_by_role("checkbox", name="Bicubic")).to_have_count(0)
    original = page.get_by_text("The original", exact=True)
    expect(original).to_be_hidden()
    page.get_by_role("radio", name="I have the original").check()
    expect(original).to_be_visible(timeout=PATIENCE)
    expect(quality).to_be_hidden(timeout=PATIENCE)


@pytest.mark.browser
@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_results_have_no_serious_violation_and_fit(
    tab: Tab, holiday: Path, theme: str, width: int
) -> None:
    tab.open("Compare", theme, width)
    page = choose(tab, holiday)
    page.get_by_role("button", name="Compare", exact=True).click()
    finish(page)
    for name in ("Error maps", "Table to copy", "One figure of this place, to save"):
        page.get_by_role("button", name=name).click()
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.get_by_alt_text("This place in every result")).to_be_visible(timeout=PATIENCE)
    assert tab.violations() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for caption in page.locator(".caption-label:visible").all():
        assert caption.evaluate("one => one.scrollWidth <= one.clientWidth")
    cells = page.locator("#compare-report td, #compare-report th")
    right = max(cells.evaluate_all("all => all.map(one => one.getBoundingClientRect().right)"))
    assert right <= width
