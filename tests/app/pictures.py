"""Pictures of the page for docs/usage.md, taken with the packaged networks.

python -m tests.app.pictures
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import expect, sync_playwright

import app
from swin2sr.filesystem import write_bytes
from swin2sr.images.samples import photograph
from swin2sr.inference.hardware import prepare_process
from tests.app.conftest import CHROMIUM, QUIET, Tab

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Locator, Page

FOLDER = Path(app.__file__).parent / "docs" / "images"
WIDTH, MARGIN = 1100, 12  # pixels
COLOURS = 255  # enough for text and a photograph or two, at a quarter of the bytes
expect.set_options(timeout=180_000)  # milliseconds: networks run


def shoot(page: Page, name: str, *shown: Locator) -> None:
    """Write the stretch of the page that holds some elements."""
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    page.wait_for_timeout(1000)  # for pictures to be drawn, and what fades to be gone
    boxes = [box for one in shown if (box := one.bounding_box()) is not None]
    top = min(box["y"] for box in boxes) - MARGIN
    bottom = max(box["y"] + box["height"] for box in boxes) + MARGIN
    png = page.screenshot(
        full_page=True, clip={"x": 0, "y": top, "width": WIDTH, "height": bottom - top}
    )
    file = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    write_bytes(FOLDER / f"{name}.png", file.getvalue())
    print(f"{name}: {picture.width}x{picture.height} pixels, {file.tell() / 1000:.0f} kB")


def upload(page: Page, name: str, box: tuple[int, int, int, int]) -> None:
    """Give the open tab a part of a photograph: left, top, right, bottom in pixels."""
    file = io.BytesIO()
    Image.fromarray(photograph(name, box=box)).save(file, "PNG")
    given: FilePayload = {
        "name": f"{name}.png",
        "mimeType": "image/png",
        "buffer": file.getvalue(),
    }
    source = page.get_by_role("tabpanel").filter(visible=True).locator("input[type=file]").first
    source.set_input_files([given])


def tabs(page: Page) -> Locator:
    return page.get_by_role("tablist").first


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True).filter(visible=True)


def restore(page: Page) -> None:
    upload(page, "chelsea", (90, 60, 218, 156))
    page.get_by_role("radio", name="Sharpen x4").click()
    expect(page.locator("#restore-preview")).to_contain_text("128x96 pixels")
    button(page, "Restore").click()
    report = page.locator("#restore-report")
    expect(report).to_contain_text("pixels in")
    expect(button(page, "Download PNG")).to_be_enabled()
    shoot(page, "restore", page.get_by_role("heading").first, button(page, "Restore"), report)


def compare(page: Page) -> None:
    upload(page, "coffee", (100, 40, 420, 280))
    page.get_by_role("radio", name="Four times the size", exact=True).click()
    report = page.locator("#compare-report")
    button(page, "Compare").click()
    expect(report).to_contain_text("it is not beauty")
    shoot(page, "compare", tabs(page), button(page, "Compare"), report)


def inspect(page: Page) -> None:
    upload(page, "chelsea", (90, 60, 218, 156))
    expect(page.locator("#inspect-preview")).to_contain_text("128x96 pixels")
    page.get_by_label("Pixel: x").fill("52")
    page.get_by_label("Pixel: y").fill("36")
    page.get_by_label("Pixel: y").press("Enter")
    report = page.locator("#attention-report")
    expect(report).to_contain_text("pixel (52, 36)")
    shoot(page, "inspect", tabs(page), report)


def main() -> None:
    prepare_process()
    app.page.launch(prevent_thread_lock=True, quiet=True)
    app.page.service.warm_up()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        tab = Tab(browser, str(app.demo.local_url).rstrip("/"))
        for title, take in (("Restore", restore), ("Compare", compare), ("Look inside", inspect)):
            take(tab.open(title, width=WIDTH))
        browser.close()
    app.demo.close(verbose=False)
    if tab.faults:
        raise SystemExit("\n".join(tab.faults))


if __name__ == "__main__":
    main()
