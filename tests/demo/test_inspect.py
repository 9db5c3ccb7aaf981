"""Inspect jobs: the numbers are inspect's, the coordinates are the picture's."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from swin2sr import checkpoints, inspect
from swin2sr.demo.jobs import inspect as inspect_job
from swin2sr.demo.jobs import inspect_figures
from swin2sr.demo.jobs.crop import CROP_SIDES, Crop, crop_around
from swin2sr.demo.jobs.inspect import InspectJob, InspectRequest, inspectable_models
from swin2sr.demo.jobs.inspect_results import EVERY, MEAN, AttentionResult, StatesResult
from swin2sr.demo.models import DEFAULT_MODEL
from swin2sr.demo.queue import JobSlot, Update
from swin2sr.demo.service import Service
from swin2sr.errors import ConfigError, JobError
from swin2sr.images.samples import photograph
from swin2sr.inference import hardware

Run = Generator[Update | None, None, None]


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


@pytest.fixture
def job(service: Service) -> InspectJob:
    return InspectJob(service)


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    """(90, 100, 3) uint8."""
    return np.ascontiguousarray(photograph("chelsea", height=160)[20:110, 50:150])


@pytest.fixture(scope="module")
def photo(cat: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> str:
    return stored(tmp_path_factory.mktemp("photo"), cat)


def stored(folder: Path, pixels: np.ndarray) -> str:
    path = folder / "holiday.png"
    Image.fromarray(pixels).save(path)
    return str(path)


def finish(run: Run) -> Any:
    """What a job has made; fails when it has failed."""
    updates = list(run)
    assert updates[0] is None
    last = updates[-1]
    assert last is not None
    assert not last.failed, last.text
    return last.result


def refusal(run: Run) -> str:
    """The sentence with which a job has failed."""
    *_, last = run
    assert last is not None
    assert last.failed
    return last.text


# --- the crop -------------------------------------------------------------------------------------


@given(
    size=st.tuples(st.integers(1, 700), st.integers(1, 700)),
    at=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    side=st.sampled_from(CROP_SIDES),
    window=st.sampled_from([7, 8]),
)
def test_a_crop_holds_its_pixel_and_lies_on_the_window_grid(
    size: tuple[int, int], at: tuple[float, float], side: int, window: int
) -> None:
    x, y = (int(share * length) for share, length in zip(at, size, strict=True))
    crop = crop_around(size, x, y, side, window)
    assert crop.image_pixel == (x, y)
    assert crop.left % window == crop.top % window == 0
    for start, length, whole, inside in (
        (crop.left, crop.width, size[0], crop.pixel[0]),
        (crop.top, crop.height, size[1], crop.pixel[1]),
    ):
        assert 0 <= start < start + length <= whole
        assert min(side, whole) - window < length <= side
        assert 0 <= inside < length
    left, top, box = crop.patch_box(16)
    assert 0 <= left <= crop.width - box
    assert 0 <= top <= crop.height - box
    assert left <= crop.pixel[0] < left + box
    assert top <= crop.pixel[1] < top + box


def test_a_crop_shows_its_own_pixels() -> None:
    pixels = np.arange(300 * 400).reshape(300, 400, 1).repeat(3, axis=2)
    crop = crop_around((400, 300), 390, 7, 64, 8)
    x, y = crop.pixel
    assert crop.cut(pixels)[y, x, 0] == pixels[7, 390, 0]
    assert not crop.is_whole
    assert crop_around((64, 60), None, None, 64, 8) == Crop((64, 60), 0, 0, 64, 60, (32, 30))


@pytest.mark.parametrize("x", [-1, 100, 1.5, "7", True, math.nan, math.inf, [1]])
def test_a_pixel_that_is_not_there_is_refused(job: InspectJob, photo: str, x: Any) -> None:
    said = refusal(job.attention("me", photo, DEFAULT_MODEL, x, 3, 256, False))
    assert said.startswith("x must be a whole number from 0 to 99, got ")


def test_a_click_means_the_pixel_under_it() -> None:
    crop = crop_around((400, 300), 200, 150, 64, 8)
    factor = inspect_figures.zoom(crop)
    for x, y in ((0, 0), (5, 63), (63, 63)):
        for within in (0, factor - 1):
            click = [x * factor + within, y * factor + within]
            assert inspect_figures.clicked_pixel(crop, click) == (crop.left + x, crop.top + y)
    for forged in ([], "ab", None, [1], [True, 1], [math.nan, 1], [1e9, 0], [-1, 0], {"x": 1}):
        assert inspect_figures.clicked_pixel(crop, forged) is None


# --- attention ------------------------------------------------------------------------------------


def test_maps_are_those_of_inspect(
    service: Service, job: InspectJob, cat: np.ndarray, photo: str
) -> None:
    found: AttentionResult = finish(job.attention("me", photo, DEFAULT_MODEL, 41, 37, 256, True))
    upscaler = service.models.get(DEFAULT_MODEL)
    maps = inspect.attention_to(upscaler, cat, (41, 37))
    torch.testing.assert_close(found.full_maps(), maps)
    flow = inspect.rollout(upscaler, cat, (41, 37))[0]
    torch.testing.assert_close(torch.from_numpy(found.flow), flow)
    assert found.windows[:2] == ((8, 0), (8, 4))
    distance, entropy = inspect.pixel_statistics(maps, (41, 37))
    np.testing.assert_allclose(found.distance, distance)
    numbers = found.numbers()
    assert numbers["pixel"] == [41, 37]
    assert numbers["crop"] == [0, 0, 100, 90]
    np.testing.assert_allclose(numbers["entropy"], entropy, atol=1e-4)
    assert "pixel (41, 37)" in found.summary(1)
    assert "shifted by 4" in found.summary(1)
    assert "not shifted" in found.summary(0)


def test_a_crop_is_inspected_as_a_picture_of_its_own(
    service: Service, job: InspectJob, cat: np.ndarray, photo: str
) -> None:
    found: AttentionResult = finish(job.attention("me", photo, DEFAULT_MODEL, 95, 4, 64, False))
    crop = found.crop
    assert (crop.left, crop.top, crop.width, crop.height) == (40, 0, 60, 64)
    part = cat[:64, 40:]
    np.testing.assert_array_equal(found.picture, part)
    maps = inspect.attention_to(service.models.get(DEFAULT_MODEL), part, (55, 4))
    torch.testing.assert_close(found.full_maps(), maps)
    assert found.flow is None


def test_what_is_kept_for_a_visitor_is_small_and_can_be_sent(job: InspectJob, photo: str) -> None:
    found: AttentionResult = finish(
        job.attention("me", photo, DEFAULT_MODEL, None, None, 64, False)
    )
    window = found.windows[0][0]
    assert found.maps.nbytes <= found.maps.shape[0] * found.heads * (2 * window - 1) ** 2 * 4
    assert len(pickle.dumps(found)) < found.picture.nbytes + found.maps.nbytes + 10_000


def test_heads_and_blocks_are_chosen_by_their_numbers(job: InspectJob, photo: str) -> None:
    found: AttentionResult = finish(job.attention("me", photo, DEFAULT_MODEL, 9, 9, 64, False))
    maps = found.full_maps()[3]
    assert list(found.head_maps(3, EVERY)) == [
        "mean of heads",
        *(f"head {i}" for i in (1, 2, 3, 4)),
    ]
    torch.testing.assert_close(found.head_maps(3, "2")["head 2"], maps[1])
    torch.testing.assert_close(found.head_maps(3, MEAN)["mean of heads"], maps.mean(0))
    assert found.block_index(1.0) == 0
    for heads in ("5", "0", "", None, ["1"]):
        with pytest.raises(ConfigError, match="Heads must be"):
            found.head_maps(0, heads)
    for block in (0, 9, "1", None, True, 1.5, math.nan):
        with pytest.raises(ConfigError, match="Block must be 1 to 8"):
            found.block_index(block)


def test_figures_are_files_for_light_and_dark_pages(job: InspectJob, photo: str) -> None:
    found: AttentionResult = finish(job.attention("me", photo, DEFAULT_MODEL, 9, 9, 64, True))
    for draw in (
        lambda dark: inspect_figures.block_figure(found, 1, EVERY, dark),
        lambda dark: inspect_figures.mosaic_figure(found, dark),
    ):
        light, dark = draw(False), draw(True)
        assert light.startswith(b"\x89PNG")
        assert light != dark
    flow = inspect_figures.flow_view(found)
    assert flow is not None
    assert flow.startswith(b"\x89PNG")


# --- hidden states --------------------------------------------------------------------------------


def test_states_are_those_of_inspect(
    service: Service, job: InspectJob, cat: np.ndarray, photo: str
) -> None:
    found: StatesResult = finish(job.hidden_states("me", photo, DEFAULT_MODEL, None, None, 64))
    crop = found.crop
    states = inspect.hidden_states(service.models.get(DEFAULT_MODEL), crop.cut(cat))
    assert found.labels == states.labels
    assert found.labels[0] == "first convolution"
    assert found.labels[-1] == "end of the trunk"
    (colours,) = inspect.pca_pictures(states)
    np.testing.assert_allclose(found.colours / 255, colours.numpy(), atol=0.51 / 255)
    np.testing.assert_allclose(found.channel_norms, inspect.channel_norms(states), rtol=1e-6)
    views, sizes = inspect_figures.state_views(found)
    assert len(views) == len(sizes) == len(found.labels)
    for draw in (inspect_figures.depths_figure, inspect_figures.norms_figure):
        assert draw(found, False) != draw(found, True)
    assert f"{found.channel_norms.shape[1]}" == f"{len(found.numbers()['channel_norms'][0])}"


# --- attribution ----------------------------------------------------------------------------------


def test_attribution_is_that_of_inspect_for_each_network(
    service: Service, job: InspectJob, cat: np.ndarray, tmp_path: Path
) -> None:
    small = np.ascontiguousarray(cat[30:54, 30:62])
    path = stored(tmp_path, small)
    names = (DEFAULT_MODEL, DEFAULT_MODEL)
    updates = [*job.attribution("me", path, names, 11, 13, 64, 8, 10)]
    steps = [(one.done, one.total) for one in updates if one is not None and one.result is None]
    assert steps[-1] == (20, 20)
    assert sorted(set(steps)) == [(done, 20) for done in range(21)]
    last = updates[-1]
    assert last is not None
    one, two = last.result
    wanted = inspect.local_attribution(
        service.models.get(DEFAULT_MODEL), small, (14, 18, 16), steps=10
    )
    assert one.patch == (7, 9, 8)
    np.testing.assert_allclose(one.map, wanted.map, atol=1e-5)
    assert one.diffusion_index == pytest.approx(wanted.diffusion_index)
    assert two.diffusion_index == one.diffusion_index
    assert 0 < one.mean_distance < 30
    assert one.numbers()["box"] == [7, 9, 8]


def test_stop_ends_an_attribution_between_its_steps(
    service: Service, job: InspectJob, photo: str
) -> None:
    run = job.attribution("me", photo, (DEFAULT_MODEL,), 20, 20, 64, 8, 50)
    for update in run:
        if update is not None and update.done == 2:
            assert service.slot.stop("me")
            break
    assert [update for update in run if update is not None] == []
    assert service.slot.holder is None
    model = service.models.get(DEFAULT_MODEL).model
    assert not any(part._forward_pre_hooks for part in model.modules())


def test_stop_ends_a_run_before_its_next_layer(
    service: Service, job: InspectJob, photo: str
) -> None:
    ran = []
    model = service.models.get(DEFAULT_MODEL).model
    first, *others = (part for part in model.modules() if hasattr(part, "hooks"))
    handles = [first.register_forward_pre_hook(lambda *_: service.slot.stop("me") and None)]
    handles += [one.register_forward_pre_hook(lambda *_: ran.append(1)) for one in others]
    try:
        updates = [*job.hidden_states("me", photo, DEFAULT_MODEL, None, None, 64)]
    finally:
        for handle in handles:
            handle.remove()
    assert [one.text[:7] for one in updates if one is not None] == ["Running"]
    assert ran == []
    assert service.slot.holder is None


# --- refusals -------------------------------------------------------------------------------------


def test_only_models_that_are_here_can_be_inspected(job: InspectJob, photo: str) -> None:
    absent = next(one.name for one in checkpoints.list_models() if not checkpoints.is_here(one))
    assert DEFAULT_MODEL in inspectable_models()
    assert absent not in inspectable_models()
    for name in (absent, "../weights", "", None, ["x"]):
        said = refusal(job.hidden_states("me", photo, name, None, None, 64))
        assert f"cannot be looked into here; choose {DEFAULT_MODEL}" in said


def test_choices_that_are_not_offered_are_refused(job: InspectJob, photo: str) -> None:
    said = refusal(job.attention("me", photo, DEFAULT_MODEL, None, None, 100, False))
    assert said == "crop must be one of 64, 128, 192, 256, got 100."
    for side in (1e9, "64", None):
        assert "from 64 to 256" in refusal(
            job.hidden_states("me", photo, DEFAULT_MODEL, 1, 1, side)
        )
    said = refusal(job.attribution("me", photo, (DEFAULT_MODEL,), 1, 1, 64, 9, 10))
    assert said == "patch must be one of 8, 16, 24, 32, got 9."
    assert "steps" in refusal(job.attribution("me", photo, (DEFAULT_MODEL,), 1, 1, 64, 8, 1000))
    said = refusal(job.attention("me", None, DEFAULT_MODEL, 1, 1, 64, False))
    assert said == "There is no picture yet. Upload one, or take an example."


def test_too_little_memory_is_told_in_numbers(
    job: InspectJob, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "available_memory", lambda *_: 50_000_000)
    said = refusal(job.attribution("me", photo, (DEFAULT_MODEL,), 30, 30, 64, 8, 10))
    assert "needs about 0." in said
    assert "0.0 GB can be used" in said
    assert "Choose a smaller crop" in said


def test_too_little_time_is_told_in_numbers_before_the_network_runs(photo: str) -> None:
    service = Service(slot=JobSlot(time_limit=1e-3))
    service.models.get(DEFAULT_MODEL)
    said = refusal(InspectJob(service).attention("me", photo, DEFAULT_MODEL, None, None, 64, True))
    assert "Running over 64x64 pixels would take about" in said
    assert "the limit here is 0 s" in said


def test_an_attribution_that_would_end_too_late_is_given_up_after_two_steps(
    service: Service, job: InspectJob, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(inspect_job, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    crop = crop_around((100, 90), 20, 20, 64, 8)
    request = InspectRequest(
        photo, DEFAULT_MODEL, crop, deadline=100.0, patch=crop.patch_box(8), steps=50
    )
    service.models.get(DEFAULT_MODEL)
    steps = job._run_attribution(request)
    assert [next(steps).done for _ in range(2)] == [0, 1]
    with pytest.raises(JobError, match="would take about 500 s; the limit here is 120 s") as caught:
        next(steps)
    assert caught.value.code == "over_budget"


def test_gpu_time_is_asked_for_by_work(service: Service, job: InspectJob, photo: str) -> None:
    crop = crop_around((100, 90), 20, 20, 64, 8)
    run, back = (
        job._gpu_seconds(InspectRequest(photo, DEFAULT_MODEL, crop, time.monotonic(), steps=steps))
        for steps in (0, 50)
    )
    assert 1 <= run <= back <= service.slot.time_limit
