"""The tab "Look inside", with the packaged network: through the API, by mouse and by keyboard."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from swin2sr import inspect
from swin2sr.demo.models import DEFAULT_MODEL
from swin2sr.demo.ui.inspect_attention import NO_RESULT
from swin2sr.images.samples import photograph
from swin2sr.inference.upscaler import Upscaler
from tests.app.conftest import Site

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

    from tests.app.conftest import Tab, Visitor

PATIENCE = 60_000  # milliseconds: a network runs
INPUTS = (DEFAULT_MODEL, 64)
PIXEL = (21, 17)


class TrainedSite(Site):
    """The page with its packaged networks; counts their runs."""

    runs = 0

    def load(self, name: str, device: str = "cpu") -> Upscaler:
        upscaler = Upscaler.from_pretrained(name, device=device)
        upscaler.model.trunk.conv_first.register_forward_hook(self._count)
        self.gate.watch(upscaler.model)
        return upscaler

    def _count(self, *_: object) -> None:
        self.runs += 1


@pytest.fixture(scope="module")
def site() -> Iterator[TrainedSite]:
    site = TrainedSite()
    yield site
    site.page.demo.close(verbose=False)


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    """(36, 44, 3) uint8: an eye."""
    return np.ascontiguousarray(photograph("chelsea", height=160)[44:80, 76:120])


@pytest.fixture
def eye(cat: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / "eye.png"
    Image.fromarray(cat).save(path)
    return path


def client(site: Site, folder: Path) -> Client:
    return Client(site.url, verbose=False, download_files=str(folder), analytics_enabled=False)


def called(site: Site, function: str, data: list[Any], visitor: Visitor, event: Any = None) -> Any:
    """Call a function of the page as a browser would, or not quite; returns its last message."""
    body = {
        "data": data,
        "fn_index": site.number(function),
        "session_hash": visitor.session,
        "event_data": event,
    }
    visitor.http.post("/gradio_api/queue/join", json=body).raise_for_status()
    return next(one for one in visitor.messages() if one["msg"] == "process_completed")


# --- through the API ------------------------------------------------------------------------------


def test_the_actions_are_published_with_what_they_take(site: Site, tmp_path: Path) -> None:
    described: Any = client(site, tmp_path).view_api(return_format="dict", print_info=False)
    endpoints = described["named_endpoints"]
    required, optional = ["image", "model", "side"], {"x": None, "y": None}
    for name, more in (
        ("/attention", ["block", "heads", "flow", "x", "y", "dark"]),
        ("/hidden_states", ["depth", "x", "y", "dark"]),
        ("/attribution", ["box", "steps", "other", "x", "y"]),
    ):
        taken = {one["parameter_name"]: one for one in endpoints[name]["parameters"]}
        assert list(taken) == [*required, *more]
        defaults = {
            one: described["parameter_default"]
            for one, described in taken.items()
            if described["parameter_has_default"]
        }
        assert set(taken) - set(defaults) == {"image"}
        assert defaults.items() >= optional.items()
    assert not [name for name in endpoints if "redraw" in name or "step" in name or "pick" in name]


def test_attention_is_what_inspect_says(
    site: Site, cat: np.ndarray, eye: Path, tmp_path: Path
) -> None:
    figure, mosaic, flow, numbers, report = client(site, tmp_path).predict(
        handle_file(eye), *INPUTS, 2, "every", True, *PIXEL, api_name="/attention"
    )
    for file in (figure, mosaic, flow):
        assert Image.open(file).format == "PNG"
    assert Path(figure).name == "attention_2.png"
    maps = inspect.attention_to(
        Upscaler.from_pretrained(DEFAULT_MODEL, device="cpu"), cat, (21, 17)
    )
    distance, entropy = inspect.pixel_statistics(maps, (21, 17))
    assert numbers["pixel"] == [21, 17]
    np.testing.assert_allclose(numbers["distance"], distance, atol=1e-3)
    np.testing.assert_allclose(numbers["entropy"], entropy, atol=1e-3)
    assert "pixel (21, 17), in the whole picture of 44x36 pixels" in report


def test_hidden_states_and_attribution_give_files_and_numbers(
    site: Site, eye: Path, tmp_path: Path
) -> None:
    here = client(site, tmp_path)
    *files, numbers, report, depth = here.predict(
        handle_file(eye), *INPUTS, 3, *PIXEL, True, api_name="/hidden_states"
    )
    assert [Image.open(file).format for file in files] == ["PNG"] * 4
    assert numbers["depths"][2] == "group 1"
    assert len(numbers["channel_norms"]) == 7
    assert depth == "Depth 3 of 7: **group 1**."
    assert "44x36" in report
    heat, nothing, numbers, report = here.predict(
        handle_file(eye), *INPUTS, 8, 10, "no other", *PIXEL, api_name="/attribution"
    )
    shown = np.asarray(Image.open(heat).convert("RGB")).astype(int)
    factor = 720 // 44
    assert shown.shape == (36 * factor, 44 * factor, 3)
    assert nothing is None
    (one,) = numbers
    x, y, side = one["box"]
    assert (x, y, side) == (17, 13, 8)
    inside = shown[y * factor : (y + side) * factor, x * factor : (x + side) * factor]
    assert inside.mean() > 2 * shown[: 5 * factor, : 5 * factor].mean()
    assert 0 < one["diffusion_index"] < 100
    assert f"**{one['diffusion_index']:.1f}**" in report


@pytest.mark.parametrize(
    ("pixel", "sentence"),
    [
        ((44, 17), "x must be a whole number from 0 to 43, got 44."),
        ((1, -1), "y must be a whole number from 0 to 35, got -1."),
    ],
)
def test_a_pixel_outside_is_told_in_a_sentence(
    site: Site, eye: Path, tmp_path: Path, pixel: tuple[int, int], sentence: str
) -> None:
    with pytest.raises(AppError) as caught:
        client(site, tmp_path).predict(
            handle_file(eye), *INPUTS, 2, "every", False, *pixel, api_name="/attention"
        )
    assert str(caught.value) == sentence


def test_forged_choices_and_clicks_are_told_in_a_sentence(
    visitor: Visitor, site: Site, eye: Path
) -> None:
    photo = visitor.upload(eye.read_bytes())
    for data in (
        [photo, "swin2sr-classical-x4", 64, 2, "every", False, 1, 1, False],
        [photo, DEFAULT_MODEL, 64, 2, "every", False, "1", 1, False],
        [photo, DEFAULT_MODEL, 1e9, 2, "every", False, 1, 1, False],
        [photo, DEFAULT_MODEL, 64, 99, "every", False, 1, 1, False],
        [photo, DEFAULT_MODEL, 64, 2, "7", False, 1, 1, False],
        [{"path": "/etc/passwd"}, DEFAULT_MODEL, 64, 2, "every", False, 1, 1, False],
        [None, DEFAULT_MODEL, 64, 2, "every", False, 1, 1, False],
    ):
        answer = called(site, "attention", data, site.visit())
        assert not answer["success"]
        said = answer["output"]["error"]
        assert said.endswith(".")
        assert "went wrong" not in said
        assert "Traceback" not in said
    for index in (None, [1], ["a", 2], [1e12, 1], [float(2**40), 1], {"x": 1}):
        click = {"index": index, "value": None}
        answer = called(site, "pick_pixel", [], site.visit(), click)
        assert answer["output"]["error"] == "Click on the picture."
        answer = called(site, "pick_on_crop", [{"left": 0}], site.visit(), click)
        assert answer["output"]["error"] == "Choose a picture, then click on it."
    assert site.idle()


def test_what_was_never_found_or_is_gone_cannot_be_redrawn(site: TrainedSite) -> None:
    runs = site.runs
    answer = called(site, "redraw_attention", [None, 3, "mean", False], site.visit())
    assert answer["output"]["data"][1] == NO_RESULT
    forged = {"maps": [1, 2, 3]}  # a visitor's word does not reach the server's own memory
    answer = called(site, "redraw_attention", [forged, 3, "mean", False], site.visit())
    assert answer["output"]["data"][1] == NO_RESULT
    answer = called(site, "step_states", [{"labels": ["/etc/passwd"]}, 1], site.visit())
    assert answer["success"]
    assert "passwd" not in str(answer["output"]["data"])
    assert site.runs == runs


def test_another_block_needs_no_run_of_the_network(
    visitor: Visitor, site: TrainedSite, eye: Path
) -> None:
    photo = visitor.upload(eye.read_bytes())
    data = [photo, *INPUTS, 2, "every", False, *PIXEL, False]
    assert called(site, "attention", data, visitor)["success"]
    runs = site.runs
    for block, heads in ((3, "every"), (8, "mean"), (8, "4")):
        answer = called(site, "redraw_attention", [None, block, heads, True], visitor)
        file, report = answer["output"]["data"]
        assert Image.open(io.BytesIO(visitor.result(file))).format == "PNG"
        assert f"**Block {block}**" in report
    refused = called(site, "redraw_attention", [None, 9, "mean", False], visitor)
    assert refused["output"]["error"] == "Block must be 1 to 8, got 9."
    assert site.runs == runs


# --- in a browser ---------------------------------------------------------------------------------


def opened(tab: Tab, eye: Path, theme: str = "light", width: int = 1440) -> Page:
    """The tab with a picture, as its reader sees it."""
    page = tab.open("Look inside", theme, width)
    shown(page, "#inspect-preview", "Choose a picture.")
    page.locator("input[type=file]:not([multiple])").last.set_input_files(eye)
    shown(page, "#inspect-preview", "the whole picture of 44x36 pixels")
    return page


def shown(page: Page, where: str, text: str) -> None:
    """Wait until it is written there."""
    page.locator(where).filter(has_text=text).wait_for(timeout=PATIENCE)


def section(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).filter(visible=True).click()


@pytest.mark.browser
def test_a_new_picture_is_previewed_in_its_middle_at_once(
    tab: Tab, site: TrainedSite, eye: Path
) -> None:
    """Not at the corner first: numbers that nobody has set come as 0 from the browser."""
    pixels = []

    def note(request: Request) -> None:
        previews = {site.number(name) for name in ("preview_new_image", "preview_inspect")}
        asked = request.post_data_json if "/queue/join" in request.url else None
        if asked is not None and asked["fn_index"] in previews:
            pixels.append(asked["data"][-2:])

    tab.page.on("request", note)
    page = opened(tab, eye)
    shown(page, "#inspect-preview", "at pixel (22, 18)")
    assert pixels
    assert all(pixel == [None, None] for pixel in pixels)


@pytest.mark.browser
def test_a_click_shows_where_the_pixel_attends(tab: Tab, site: TrainedSite, eye: Path) -> None:
    from playwright.sync_api import expect

    page = opened(tab, eye)
    view = page.get_by_alt_text("the chosen pixel is ringed")
    area = view.bounding_box()
    assert area is not None
    position = ((30 + 0.5) / 44 * area["width"], (9 + 0.5) / 36 * area["height"])
    view.click(position={"x": position[0], "y": position[1]})
    shown(page, "#attention-report", "pixel (30, 9)")
    assert page.get_by_label("Pixel: x").input_value() == "30"
    assert page.get_by_label("Pixel: y").input_value() == "9"
    figure = page.get_by_alt_text("in one block, a panel a head")
    before, runs = figure.get_attribute("src"), site.runs
    block = page.get_by_role("slider", name="Block")
    block.focus()
    block.press("ArrowRight")
    shown(page, "#attention-report", "Block 3")
    expect(figure).not_to_have_attribute("src", str(before), timeout=PATIENCE)
    page.get_by_role("radio", name="Mean", exact=True).check()
    page.get_by_alt_text("a row a block").wait_for()
    assert site.runs == runs


@pytest.mark.browser
def test_everything_can_be_done_by_keyboard(tab: Tab, eye: Path) -> None:
    page = opened(tab, eye)
    page.get_by_label("Pixel: x").fill("5")
    page.get_by_label("Pixel: y").fill("6")
    page.get_by_label("Pixel: y").press("Enter")
    shown(page, "#attention-report", "pixel (5, 6)")
    page.get_by_role("tab", name="Attention", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    go = page.get_by_role("button", name="Show hidden states")
    go.focus()
    go.press("Enter")
    shown(page, "#states-report", "middle channel")
    depth = page.get_by_role("slider", name="Depth")
    depth.focus()
    depth.press("End")
    shown(page, "#states-depth", "Depth 7 of 7: end of the trunk.")


@pytest.mark.browser
def test_stop_ends_an_attribution(tab: Tab, site: TrainedSite, eye: Path) -> None:
    page = opened(tab, eye)
    section(page, "Attribution")
    page.get_by_role("radio", name="50", exact=True).check()
    with site.gate.closed():
        page.get_by_role("button", name="Show attribution").click()
        shown(page, "#attribution-report", "step 1 of 50")
        page.get_by_role("button", name="Stop").filter(visible=True).click()
        shown(page, "#attribution-report", "Stopped.")
    assert site.idle()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_section_has_a_serious_violation_or_is_cut_off(
    tab: Tab, eye: Path, theme: str, width: int
) -> None:
    page = opened(tab, eye, theme, width)
    for name, word, text in (
        ("Attention", "attention", "looks nearest"),
        ("States", "states", "middle channel"),
        ("Attribution", "attribution", "diffusion index"),
    ):
        section(page, name)
        page.get_by_role("button", name=re.compile(f"^Show .*{word}$")).click()
        shown(page, f"#{word}-report", text)
        assert tab.violations() == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
