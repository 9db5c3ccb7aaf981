"""The tab "Batch", through the API and in a browser."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gradio_client import Client, handle_file
from PIL import Image

if TYPE_CHECKING:
    from tests.app.conftest import Site, Tab, Visitor

Photo = Callable[..., bytes]
PATIENCE = 20_000  # milliseconds
JOB = ("sharpen-x2", "fast", False)


def stop(visitor: Visitor) -> dict[str, Any]:
    number = visitor.site.number("stop_batch")
    body = {"data": [0], "fn_index": number, "session_hash": visitor.session}
    answer: dict[str, Any] = visitor.http.post("/gradio_api/run/stop_batch", json=body).json()
    return answer


def names(outcome: dict[str, Any], visitor: Visitor) -> list[str]:
    """What is in the zip of a job that has ended."""
    packed = visitor.result(outcome["output"]["data"][1])
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return archive.namelist()


def test_a_program_gets_a_gallery_a_zip_and_what_became_of_each(
    site: Site, photo: Photo, tmp_path: Path
) -> None:
    paths = [tmp_path / name for name in ("a.png", "b.gif", "c.png")]
    for path, data in zip(paths, (photo(), b"GIF89a no", photo(50, 30)), strict=True):
        path.write_bytes(data)
    client = Client(site.url, verbose=False, download_files=str(tmp_path), analytics_enabled=False)
    gallery, archive, report = client.predict(
        [handle_file(path) for path in paths], *JOB, api_name="/batch"
    )
    assert [Image.open(one["image"]).size for one in gallery] == [(80, 60), (100, 60)]
    assert [one["caption"] for one in gallery] == ["a_swin2sr_x2.png", "c_swin2sr_x2.png"]
    assert Path(archive).name == "swin2sr_results.zip"
    with zipfile.ZipFile(archive) as packed:
        with packed.open("a_swin2sr_x2.png") as file:
            assert file.read() == Path(gallery[0]["image"]).read_bytes()
        assert packed.namelist() == ["a_swin2sr_x2.png", "c_swin2sr_x2.png"]
    assert report.startswith("2 of 3 pictures done.")
    assert "2. b: The GIF file is damaged" in report


def test_what_a_stopped_batch_says_reaches_its_visitor(
    site: Site, visitor: Visitor, photo: Photo
) -> None:
    files = [visitor.upload(photo(40 + n, 30), f"{n}.png") for n in range(3)]
    visitor.outcome(files[:1], *JOB, function="batch")
    visitor.session += "x"
    with site.gate.closed():
        visitor.join(files, *JOB, function="batch").raise_for_status()
        assert site.gate.entered.wait(20)
        stop(visitor)
    outcome = next(one for one in visitor.messages() if one["msg"] == "process_completed")
    assert outcome["success"]
    report = outcome["output"]["data"][2]
    assert report.startswith("Stopped. 0 of 3 pictures done.")
    assert "1. 0: Begun, but not finished." in report
    assert "3. 2: Not reached." in report
    assert outcome["output"]["data"][1] is None


def test_the_caps_are_checked_where_the_job_runs(visitor: Visitor, photo: Photo) -> None:
    file = visitor.upload(photo())
    error = visitor.outcome([file] * 21, *JOB, function="batch")["output"]["error"]
    assert error == (
        "There are 21 files; 20 at a time is the limit here. Send the others afterwards."
    )
    visitor.session += "x"
    assert "no pictures yet" in visitor.outcome(None, *JOB, function="batch")["output"]["error"]


@pytest.mark.parametrize("images", [7, "a.png", {"path": "a.png"}, [None], [7], [["a"]]])
def test_sec_13_what_is_no_list_of_files_is_an_error(
    site: Site, visitor: Visitor, photo: Photo, images: object
) -> None:
    answer = visitor.join(images, *JOB, function="batch")
    if answer.status_code == 200:
        outcome = next(one for one in visitor.messages() if one["msg"] == "process_completed")
        assert not outcome["success"]
        assert "Traceback" not in str(outcome)
    other = site.visit()
    assert other.outcome([other.upload(photo())], *JOB, function="batch")["success"]


# --- in a browser ---------------------------------------------------------------------------------


@pytest.fixture
def photos(photo: Photo, tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for number, path in enumerate(paths):
        path.write_bytes(photo(40 + number, 30))
    return paths


def choose(tab: Tab, paths: list[Path]) -> Any:
    page = tab.open("Batch")
    panel = page.get_by_role("tabpanel").filter(visible=True)
    panel.locator("input[type=file]").first.set_input_files(paths)
    page.locator("#batch-preview").get_by_text(f"{len(paths)} pictures").wait_for()
    return page


@pytest.mark.browser
def test_pictures_are_restored_and_saved_in_one_zip(tab: Tab, photos: list[Path]) -> None:
    page = choose(tab, photos)
    page.get_by_role("button", name="Restore all").click()
    page.locator("#batch-report").get_by_text("3 of 3 pictures done.").wait_for()
    save = page.get_by_role("button", name="Download all as zip")
    with page.expect_download() as saved:
        save.click()
    assert saved.value.suggested_filename == "swin2sr_results.zip"
    with zipfile.ZipFile(saved.value.path()) as packed:
        assert packed.namelist() == [f"{name}_swin2sr_x2.png" for name in "abc"]


@pytest.mark.browser
def test_load_07_stop_keeps_what_is_finished_and_says_so(
    site: Site, tab: Tab, photos: list[Path]
) -> None:
    page = choose(tab, photos)
    with site.gate.closed():
        page.get_by_role("button", name="Restore all").click()
        page.locator("#batch-report").get_by_text("Tile 1 of").wait_for()
        assert site.gate.entered.wait(20)
        page.get_by_role("button", name="Stop").filter(visible=True).click()
        page.locator("#batch-report").get_by_text("packing what is finished").wait_for()
    page.locator("#batch-report").get_by_text("Stopped. 0 of 3 pictures done.").wait_for()
    assert site.idle()


@pytest.mark.browser
def test_a_batch_that_waits_leaves_the_queue_when_stopped(
    site: Site, tab: Tab, photos: list[Path], photo: Photo
) -> None:
    page = choose(tab, photos)
    other = site.visit()
    queue = site.page.demo._queue.event_queue_per_concurrency_id["model"].queue
    with site.gate.closed():
        other.join(other.upload(photo()), "sharpen-x2", "fast")
        assert site.gate.entered.wait(20)
        page.get_by_role("button", name="Restore all").click()
        for _ in range(200):
            if queue:
                break
            page.wait_for_timeout(50)
        assert len(queue) == 1
        page.get_by_role("button", name="Stop").filter(visible=True).click()
        for _ in range(200):
            if not queue:
                break
            page.wait_for_timeout(50)
        assert len(queue) == 0
    assert site.idle()
