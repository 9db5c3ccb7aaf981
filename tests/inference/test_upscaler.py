"""A picture goes in and a picture comes out: exact size, same numbers however it is cut."""

from __future__ import annotations

import copy
import gc
import hashlib
import multiprocessing
import pickle
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from swin2sr import Swin2SRConfig, Swin2SRForImageSuperResolution, list_models
from swin2sr.errors import ConfigError, ImageError, JobError, ShapeError
from swin2sr.images import Picture
from swin2sr.inference import estimate, hardware, tiling
from swin2sr.inference.engine import TiledPass, run_tiles
from swin2sr.inference.tiling import TilingOptions
from swin2sr.inference.upscaler import Report, Step, Upscaler

few = settings(max_examples=25)
TINY = Swin2SRConfig(embed_dim=12, depths=(2, 2), num_heads=(2, 2), upsampler="pixelshuffledirect")
EVERY_KIND = {
    "direct": TINY,
    "direct-w7": TINY.replace(window_size=7, upscale=3),
    "classical": TINY.replace(upsampler="pixelshuffle"),
    "classical-x3": TINY.replace(upsampler="pixelshuffle", upscale=3),
    "compressed": TINY.replace(upsampler="pixelshuffle_aux", upscale=4),
    "real": TINY.replace(upsampler="nearest+conv", upscale=4, resi_connection="3conv"),
    "jpeg": TINY.replace(
        upsampler="", upscale=1, num_channels=1, window_size=7, img_range=255.0, image_size=126
    ),
    "denoise": TINY.replace(upsampler="", upscale=1),
}


def lively(config: Swin2SRConfig = TINY, seed: int = 0) -> Swin2SRForImageSuperResolution:
    """A network with weights so large that every dependence shows in the output."""
    torch.manual_seed(seed)
    model = Swin2SRForImageSuperResolution(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and not name.endswith("logit_scale"):
                parameter.normal_(0, parameter[0].numel() ** -0.5)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.1)
    return model


_UPSCALERS: dict[tuple[str, str], Upscaler] = {}


def upscaler(kind: str = "direct", precision: str = "float32") -> Upscaler:
    """One upscaler of each kind, kept: the properties ask it hundreds of times."""
    key = (kind, precision)
    if key not in _UPSCALERS:
        model = lively(EVERY_KIND[kind])
        _UPSCALERS[key] = Upscaler(model, device="cpu", precision=precision)
    return _UPSCALERS[key]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) float32: neighbouring pixels alike, as in photographs, plus grain."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((height // 4 + 1, width // 4 + 1, 3), dtype=np.float32)
    smooth = coarse.repeat(4, 0).repeat(4, 1)[:height, :width]
    return (0.8 * smooth + 0.2 * rng.random((height, width, 3), dtype=np.float32)).clip(0, 1)


def numbers(one: Upscaler, pixels: np.ndarray, **options: object) -> np.ndarray:
    """What the network made of (H, W, C), in its own precision and not clipped."""
    engine = one._engine
    checked = TilingOptions.check(
        one.config,
        options.get("tile"),  # type: ignore[arg-type]
        options.get("margin", "default"),  # type: ignore[arg-type]
        str(options.get("padding", "minimal")),
        False,
    )
    height, width, colours = pixels.shape
    canvas = np.zeros((height * one.scale, width * one.scale, colours), engine.numpy_dtype)
    (plan,) = one._plan(height, width, checked)
    list(run_tiles(engine, [TiledPass(pixels.astype(engine.numpy_dtype), plan, canvas)]))
    return canvas


def levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def steps_of(one: Upscaler, image: object, **options: object) -> tuple[list[Step], Report]:
    steps = list(one.stream(image, **options))  # type: ignore[arg-type]
    report = steps[-1].report
    assert report is not None
    return steps, report


# --- properties -------------------------------------------------------------------------------

sides = st.integers(1, 40)


@few
@given(sides, sides, st.sampled_from(sorted(EVERY_KIND)))
def test_inv_01_the_size_is_the_inputs_times_the_scale(height: int, width: int, kind: str) -> None:
    one = upscaler(kind)
    image = one(noise(height, width), tile=16, margin=8)
    assert image.size == (width * one.scale, height * one.scale)


@few
@given(sides, sides, st.sampled_from(sorted(EVERY_KIND)), st.booleans())
def test_inv_02_results_lie_between_0_and_1(height: int, width: int, kind: str, hard: bool) -> None:
    pixels = noise(height, width).round() if hard else noise(height, width)
    result = upscaler(kind).picture(pixels).pixels
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


@few
@given(
    st.integers(72, 104),
    st.integers(1, 24),
    st.sampled_from(["direct", "direct-w7", "classical", "compressed", "real"]),
    st.sampled_from([16, 24]),
    st.booleans(),
)
def test_inv_03_exact_margins_give_the_whole_images_numbers(
    height: int, width: int, kind: str, tile: int, lying: bool
) -> None:
    one = upscaler(kind, "float64")
    pixels = noise(width, height) if lying else noise(height, width)
    whole = numbers(one, pixels)
    assert abs(numbers(one, pixels, tile=tile, margin="exact") - whole).max() <= 1e-12


def test_inv_03_too_small_a_margin_would_show() -> None:
    one = upscaler("direct", "float64")
    pixels = noise(120, 40)
    assert abs(numbers(one, pixels, tile=16, margin=8) - numbers(one, pixels)).max() > 1e-6


@few
@given(st.integers(1, 110), sides, st.sampled_from(["direct", "classical", "direct-w7"]))
def test_inv_04_default_margins_differ_by_float32_round_off(
    height: int, width: int, kind: str
) -> None:
    one, pixels = upscaler(kind), noise(height, width)
    whole = one.picture(pixels, tile=None).pixels
    cut = one.picture(pixels, tile=16).pixels
    assert abs(cut - whole).max() <= 1e-5
    jumps = abs((cut * 255).round() - (whole * 255).round())
    assert jumps.max() <= 1
    assert (jumps > 0).mean() < 0.005


@few
@given(st.integers(8, 200), st.integers(40, 120))
def test_inv_05_every_tile_size_gives_the_same(tile: int, height: int) -> None:
    one, pixels = upscaler(), noise(height, 30)
    assert abs(numbers(one, pixels, tile=tile) - numbers(one, pixels)).max() <= 1e-5


@few
@given(st.integers(8, 100), st.integers(0, 100))
def test_inv_06_a_tile_off_the_window_grid_is_rounded_and_said_so(tile: int, margin: int) -> None:
    _, report = steps_of(upscaler(), noise(20, 20), tile=tile, margin=margin)
    said = " ".join(report.notes)
    assert ("tile" in said) == (tile % 8 != 0)
    assert ("margin" in said) == (margin % 8 != 0)
    assert report.margin % 8 == 0


@few
@given(sides, sides, st.sampled_from(sorted(EVERY_KIND)))
def test_inv_07_the_same_call_gives_the_same_bits(height: int, width: int, kind: str) -> None:
    one, pixels = upscaler(kind), noise(height, width)
    assert one(pixels, tile=16).tobytes() == one(pixels, tile=16).tobytes()


def test_inv_08_the_number_of_threads_changes_round_off_only() -> None:
    one, pixels = upscaler("classical"), noise(70, 50)
    single = numbers(one, pixels)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert abs(numbers(one, pixels) - single).max() <= 1e-4
    finally:
        torch.set_num_threads(before)


@few
@given(st.lists(st.tuples(sides, sides), max_size=4))
def test_inv_08_a_list_gives_what_each_alone_gives(sizes: list[tuple[int, int]]) -> None:
    one = upscaler()
    pictures = [noise(height, width, seed) for seed, (height, width) in enumerate(sizes)]
    alone = [one(picture).tobytes() for picture in pictures]
    together = [image.tobytes() for image in one(pictures) if image is not None]
    assert together == alone


@few
@given(st.integers(1, 6), st.integers(1, 6))
def test_inv_09_inv_10_a_crop_by_whole_windows_sees_the_same_inside(
    rows: int, columns: int
) -> None:
    one, w, scale = upscaler("direct", "float64"), 8, 2
    spread = tiling.exact_margin(TINY)
    pixels = noise(w * rows + 60, w * columns + 50)
    whole = numbers(one, pixels)[w * rows * scale :, w * columns * scale :]
    part = numbers(one, pixels[w * rows :, w * columns :])
    inside = spread * scale
    assert part[inside:, inside:].size > 0
    assert abs(part - whole)[inside:, inside:].max() <= 1e-12


@settings(max_examples=8)
@given(st.integers(1, 24), st.integers(1, 24), st.sampled_from(["direct", "jpeg", "direct-w7"]))
def test_inv_11_the_self_ensemble_turns_with_the_picture(
    height: int, width: int, kind: str
) -> None:
    one, pixels = upscaler(kind), noise(height, width)
    expected = one.picture(pixels, self_ensemble=True).pixels
    for turn in (np.flipud, np.fliplr, np.rot90):
        result = one.picture(np.ascontiguousarray(turn(pixels)), self_ensemble=True).pixels
        assert abs(result - turn(expected)).max() <= 1e-5


@few
@given(sides, sides, st.sampled_from(["direct", "denoise"]))
def test_inv_14_opaque_alpha_changes_nothing(height: int, width: int, kind: str) -> None:
    one = upscaler(kind)
    colours = (noise(height, width) * 255).astype(np.uint8)
    opaque = np.dstack([colours, np.full((height, width), 255, np.uint8)])
    result = one(opaque)
    assert result.mode == "RGB"
    assert result.tobytes() == one(colours).tobytes()


@few
@given(sides, sides)
def test_inv_14_hidden_colours_do_not_show(height: int, width: int) -> None:
    one = upscaler()
    alpha = np.zeros((height, width), np.uint8)
    alpha[: height // 2 + 1] = 255
    alpha[0, 0] = 128
    results = []
    for hidden in (0, 255):
        colours = (noise(height, width) * 255).astype(np.uint8)
        colours[alpha == 0] = hidden
        results.append(one(np.dstack([colours, alpha])))
    assert results[0].mode == "RGBA"
    assert results[0].size == (2 * width, 2 * height)
    assert results[0].tobytes() == results[1].tobytes()


@few
@given(sides, sides)
def test_inv_15_the_formats_of_the_same_picture_agree(height: int, width: int) -> None:
    one = upscaler()
    colours = (noise(height, width) * 255).round().astype(np.uint8)
    expected = levels(one(colours))
    assert (levels(one(colours.astype(np.float32) / 255)) == expected).all()
    half = levels(one((colours / 255).astype(np.float16)))
    assert abs(half - expected).mean() <= 2


@few
@given(st.integers(48, 80), st.integers(48, 80))
def test_inv_16_far_from_the_border_the_padding_does_not_matter(height: int, width: int) -> None:
    one = upscaler("direct", "float64")
    pixels = noise(height, width)
    minimal = numbers(one, pixels)
    official = numbers(one, pixels, padding="official")
    near = 2 * (tiling.exact_margin(TINY) + 8)
    assert abs(official - minimal)[:-near, :-near].max(initial=0) <= 1e-12


# --- stream -----------------------------------------------------------------------------------


def test_the_first_step_comes_before_any_work() -> None:
    stream = upscaler().stream("no such file.png")
    first = next(stream)
    assert (first.done, first.total, first.seconds, first.image) == (0, 1, 0.0, None)
    with pytest.raises(ImageError):
        next(stream)


def test_each_tile_is_a_step_and_the_last_carries_the_result() -> None:
    steps, report = steps_of(upscaler(), noise(40, 24), tile=16, margin=8)
    assert [(step.done, step.total) for step in steps[1:]] == [(n, 6) for n in range(7)]
    assert all((step.image, step.picture, step.report) == (None, None, None) for step in steps[:-1])
    assert [step.seconds for step in steps] == sorted(step.seconds for step in steps)
    assert all(step.seconds_left is not None for step in steps[2:])
    last = steps[-1]
    assert last.image is not None
    assert last.picture is not None
    assert last.image.size == last.picture.size == report.output_size == (48, 80)
    assert last.seconds_left == 0
    assert report.tiles == 6


def test_the_report_says_what_was_done() -> None:
    model = lively()
    entry = list_models()[0]
    one = Upscaler(
        model,
        device="cpu",
        precision="float32",
        name="tiny",
        origin="file",
        sha256="0123",
        entry=entry,
        notes=["old"],
    )
    _, report = steps_of(one, noise(20, 30), tile=20, margin="exact", padding="official")
    assert report == Report(
        model="tiny",
        origin="file",
        sha256="0123",
        scale=2,
        task=entry.task,
        precision="float32",
        device="cpu",
        tile=(16, 24),
        tiles=2,
        margin=32,
        padding="official",
        seconds=report.seconds,
        input_size=(30, 20),
        output_size=(60, 40),
        notes=("old", "The tile of 20 was rounded up to a multiple of 8."),
    )


def test_closing_the_stream_leaves_the_upscaler_usable() -> None:
    one, pixels = upscaler(), noise(40, 40)
    expected = one(pixels, tile=16).tobytes()
    for taken in range(5):
        stream = one.stream(pixels, tile=16)
        for _ in range(taken):
            next(stream)
        stream.close()  # type: ignore[attr-defined]
    assert one._engine._lock.acquire(blocking=False)
    one._engine._lock.release()
    assert one(pixels, tile=16).tobytes() == expected


def test_cancel_stops_between_tiles_with_an_error_of_its_own() -> None:
    cancel = threading.Event()
    stream = upscaler().stream(noise(40, 40), tile=16, cancel=cancel)
    for step in stream:
        if step.done == 2:
            cancel.set()
            break
    with pytest.raises(JobError) as caught:
        next(stream)
    assert caught.value.code == "cancelled"


def test_cancel_stops_within_a_long_run() -> None:
    cancel = threading.Event()
    model = lively()
    first, second = model.trunk.groups
    first.register_forward_hook(lambda *_: cancel.set())
    reached: list[int] = []
    second.register_forward_hook(lambda *_: reached.append(1))
    with pytest.raises(JobError, match="cancelled"):
        Upscaler(model, device="cpu", precision="float32")(noise(8, 8), cancel=cancel)
    assert reached == []


# --- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"tile": -8},
        {"tile": 7},
        {"tile": "big"},
        {"tile": 16.0},
        {"tile": True},
        {"margin": -1},
        {"margin": "none"},
        {"padding": "zero"},
    ],
)
def test_arr_12_wishes_that_make_no_sense_are_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        upscaler().stream(noise(8, 8), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("tile", [0, None, 10_000])
def test_arr_12_no_tile_is_the_whole_picture(tile: int | None) -> None:
    _, report = steps_of(upscaler(), noise(40, 40), tile=tile)
    assert report.tiles == 1
    assert report.tile is None


def test_a_model_of_absolute_positions_is_not_cut_unless_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(estimate, "CORE_RATE", 1e6)  # a slow machine
    reports = []
    for absolute in (False, True):
        model = lively(TINY.replace(use_absolute_embeddings=absolute, image_size=16))
        one = Upscaler(model, device="cpu", precision="float32")
        reports.append(steps_of(one, noise(200, 200))[1])
    assert reports[0].tile is not None
    assert reports[1].tile is None
    assert "absolute positions" in steps_of(one, noise(20, 20), tile=8)[1].notes[0]


def test_an_unknown_argument_is_not_swallowed() -> None:
    with pytest.raises(TypeError):
        upscaler()(noise(8, 8), tiles=16)  # type: ignore[call-overload]


def test_arr_01_every_kind_of_input_gives_the_same_picture(tmp_path: Path) -> None:
    one = upscaler()
    colours = (noise(20, 30) * 255).round().astype(np.uint8)
    expected = one(colours)
    path = tmp_path / "picture.png"
    Image.fromarray(colours).save(path)
    planes = torch.from_numpy(colours.transpose(2, 0, 1).astype(np.float32) / 255)
    kinds = [path, str(path), path.read_bytes(), Image.fromarray(colours), planes, planes[None]]
    for image in [*kinds, colours.astype(np.float64) / 255]:
        assert one(image).tobytes() == expected.tobytes()
    with path.open("rb") as file:
        assert one(file).tobytes() == expected.tobytes()


def test_arr_03_the_input_is_left_as_it_is() -> None:
    pixels = noise(20, 20)
    before = pixels.copy()
    upscaler()(pixels)
    assert (pixels == before).all()


def test_arr_09_lists_tuples_and_generators_come_back_in_order() -> None:
    one = upscaler()
    grey = Image.new("L", (5, 6), 90)
    pictures = [noise(8, 9), grey, noise(3, 2)]
    expected = [(18, 16), (10, 12), (4, 6)]
    for several in (pictures, tuple(pictures), (picture for picture in pictures)):
        results = one(several)
        assert [image.size for image in results if image is not None] == expected
        assert results[1] is not None
        assert results[1].mode == "L"
    assert one([]) == []


def test_arr_09_a_bad_picture_is_named_by_its_index() -> None:
    with pytest.raises(ImageError, match="Picture 1:") as caught:
        upscaler()([noise(8, 8), b"no picture", noise(8, 8)])
    assert caught.value.code == "not_an_image"


def test_arr_09_a_bad_picture_can_be_skipped_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="Picture 1:"):
        results = upscaler()([noise(8, 8), b"no picture", noise(8, 8)], on_error="skip")
    assert [image is None for image in results] == [False, True, False]
    with pytest.raises(ConfigError, match=r"raise.*skip"):
        upscaler()([], on_error="ignore")


def test_arr_09_skipping_does_not_hide_a_wrong_argument_or_a_cancelled_job() -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(ConfigError):
        upscaler()([noise(8, 8)], on_error="skip", tile=-1)
    with pytest.raises(JobError):
        upscaler()([noise(8, 8)], on_error="skip", cancel=cancel)


def test_arr_11_another_scale_than_the_models_is_refused(tiny_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"x2 .*does not fit the scale 4 asked"):
        Upscaler.from_pretrained(tiny_folder, device="cpu", scale=4)


def test_arr_13_a_model_in_train_mode_gives_the_same_and_no_memory_is_kept() -> None:
    config = TINY.replace(hidden_dropout_prob=0.3, drop_path_rate=0.5)
    expected = Upscaler(lively(config), device="cpu", precision="float32")(noise(16, 16)).tobytes()
    model = lively(config).train()
    one = Upscaler(model, device="cpu", precision="float32")
    assert one(noise(16, 16)).tobytes() == expected
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_arr_13_twenty_calls_leave_no_tensor_behind() -> None:
    one, pixels = upscaler(), noise(16, 16)

    def alive() -> int:
        gc.collect()
        return sum(type(thing) is torch.Tensor for thing in gc.get_objects())

    one(pixels)
    before = alive()
    for _ in range(20):
        one(pixels)
    assert alive() == before


def test_training_goes_on_after_upscaling() -> None:
    model = lively()
    Upscaler(model, device="cpu", precision="float32")(noise(16, 16))
    for mode in (True, False):
        model.train(mode)(torch.rand(1, 3, 8, 8)).reconstruction.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_arr_14_bfloat16_is_finite_and_within_two_levels() -> None:
    torch.manual_seed(0)
    model = Swin2SRForImageSuperResolution(TINY.replace(upsampler="", upscale=1)).eval()
    exact = Upscaler(model, device="cpu", precision="float32")(noise(40, 40))
    short = Upscaler(model, device="cpu", precision="bfloat16")(noise(40, 40))
    assert abs(levels(exact) - levels(short)).mean() <= 2


def test_arr_14_float16_on_a_cpu_is_float32_with_a_note() -> None:
    one = Upscaler(lively(), device="cpu", precision="float16")
    picture = one.picture(noise(16, 16))
    assert one.precision == "float32"
    assert any("float16" in note for note in picture.notes)


def test_arr_15_eight_threads_at_once_get_their_own_pictures() -> None:
    one = upscaler()
    pictures = [noise(20 + seed, 30, seed) for seed in range(8)]
    expected = [one(picture, tile=16).tobytes() for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(one, picture, tile=16) for picture in pictures]
        assert [future.result(timeout=120).tobytes() for future in futures] == expected


def test_arr_15_a_pickled_or_copied_upscaler_gives_the_same() -> None:
    one, pixels = upscaler(), noise(20, 20)
    for other in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
        assert other(pixels).tobytes() == one(pixels).tobytes()


def in_forked_child(one: Upscaler, pixels: np.ndarray) -> np.ndarray | None:
    """What a forked process makes of the picture; None if it never ends."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=lambda: results.put(levels(one(pixels))))
    child.start()
    try:
        return results.get(timeout=60)
    except queue.Empty:
        return None
    finally:
        child.kill()


@pytest.mark.parametrize("threads", [1, 2])
def test_arr_15_a_forked_process_gives_the_same(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        one, pixels = upscaler(), noise(80, 80)
        expected = levels(one(pixels))
        result = in_forked_child(one, pixels)
        assert result is not None
        # The child has one thread, and other sums of the same numbers.
        assert abs(result - expected).max() <= 1  # other sums with one thread
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_arr_15_a_process_forked_while_the_network_runs_gives_the_same() -> None:
    one, pixels = upscaler(), noise(20, 20)
    expected = levels(one(pixels))
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with one._engine._lock:
            held.set()
            release.wait(120)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold)
        held.wait()
        try:
            result = in_forked_child(one, pixels)
        finally:
            release.set()
    assert result is not None
    assert abs(result - expected).max() <= 1


# --- colour -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_grey_picture_stays_grey(mode: str) -> None:
    grey = Image.fromarray((noise(20, 20)[..., 0] * 255).astype(np.uint8)).convert("L")
    result = upscaler()(grey.convert(mode))
    pixels = levels(result.convert("RGB"))
    if mode == "L":
        assert result.mode == "L"
        assert (np.ptp(pixels, axis=2) <= 1).all()


def doing_nothing(kind: str) -> Upscaler:
    """A restoration network whose residual is zero: what goes in comes out."""
    model = Swin2SRForImageSuperResolution(EVERY_KIND[kind]).eval()
    for name, parameter in model.named_parameters():
        if name.startswith("head.conv_last."):
            torch.nn.init.zeros_(parameter)
    return Upscaler(model, device="cpu", precision="float32")


def test_arr_10_a_grey_model_keeps_the_colours_of_a_picture_and_says_so() -> None:
    colours = (noise(20, 30) * 255).astype(np.uint8)
    picture = doing_nothing("jpeg").picture(colours)
    assert abs((picture.pixels * 255).round() - colours).max() <= 1
    assert any("brightness" in note for note in picture.notes)
    assert not picture.grey


def test_arr_10_a_grey_model_restores_the_brightness_of_a_colour_picture() -> None:
    colours = (noise(28, 30) * 255).astype(np.uint8)
    result = upscaler("jpeg")(colours)
    expected = upscaler("jpeg")(Image.fromarray(colours).convert("L"))
    # Colours far from grey clip where the network changes brightness a lot: compare the rest.
    inside = ((levels(result) > 0) & (levels(result) < 255)).all(axis=2)
    assert inside.mean() > 0.1
    assert abs(levels(result.convert("L")) - levels(expected))[inside].max() <= 3


def test_arr_10_a_grey_model_on_a_grey_picture_needs_no_note() -> None:
    grey = Image.fromarray((noise(20, 20)[..., 0] * 255).astype(np.uint8))
    picture = doing_nothing("jpeg").picture(grey)
    assert picture.notes == ()
    assert (levels(doing_nothing("jpeg")(grey)) == levels(grey)).all()


def test_alpha_is_kept_and_enlarged() -> None:
    alpha = np.zeros((20, 20), np.uint8)
    alpha[5:15, 5:15] = 255
    colours = (noise(20, 20) * 255).astype(np.uint8)
    result = upscaler()(np.dstack([colours, alpha]))
    assert result.mode == "RGBA"
    enlarged = levels(result)[..., 3]
    assert enlarged.shape == (40, 40)
    assert enlarged[14:26, 14:26].min() == 255
    assert enlarged[:6].max() == 0
    unchanged = doing_nothing("denoise")(np.dstack([colours, alpha]))
    assert (levels(unchanged)[..., 3] == alpha).all()


def test_a_network_of_other_channels_is_refused() -> None:
    with pytest.raises(ConfigError, match="4 channels"):
        Upscaler(Swin2SRForImageSuperResolution(TINY.replace(num_channels=4)), device="cpu")


# --- cost -------------------------------------------------------------------------------------


def test_an_estimate_grows_with_the_picture_and_names_its_numbers() -> None:
    one = upscaler()
    small, large = one.estimate((100, 100)), one.estimate((1000, 1000))
    assert 0 < small.seconds < large.seconds
    assert 0 < small.bytes < large.bytes
    assert small.fits
    assert "100x100" in small.message
    assert one.estimate((64, 64), self_ensemble=True).tiles == 8


def test_an_estimate_counts_the_tiles_that_will_run() -> None:
    one = upscaler()
    steps, _ = steps_of(one, noise(100, 70), tile=32)
    assert one.estimate((70, 100), tile=32).tiles == steps[-1].total == 4 * 3


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (5.0, 5)])
def test_an_estimate_of_no_picture_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError):
        upscaler().estimate(size)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "available_memory", lambda device="cpu": 400_000_000)


def test_a_picture_beyond_the_memory_is_refused_before_the_network_runs(
    little_memory: None,
) -> None:
    model = lively()
    runs: list[int] = []
    model.register_forward_hook(lambda *_: runs.append(1))
    one = Upscaler(model, device="cpu", precision="float32")
    with pytest.raises(JobError) as caught:
        one(np.zeros((3000, 3000, 3), np.uint8), tile=None)
    assert caught.value.code == "over_budget"
    assert "GB" in str(caught.value)
    assert runs == []


def test_an_estimate_beyond_the_memory_says_what_would_fit(little_memory: None) -> None:
    found = upscaler().estimate((700, 700), tile=None)
    assert not found.fits
    assert "smaller tile" in found.message
    assert upscaler().estimate((700, 700)).fits


# --- models by name ---------------------------------------------------------------------------


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    lively().save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_a_saved_model_gives_what_the_model_in_memory_gives(tiny_folder: Path) -> None:
    loaded = Upscaler.from_pretrained(tiny_folder, device="cpu", precision="float32")
    assert loaded(noise(20, 20)).tobytes() == upscaler()(noise(20, 20)).tobytes()
    assert loaded.origin == "file"
    weights = (tiny_folder / "model.safetensors").read_bytes()
    assert loaded.sha256 == hashlib.sha256(weights).hexdigest()
    assert loaded.scale == 2
    assert loaded.task is None
    assert not loaded.model.training


def test_arr_11_an_unknown_model_is_refused() -> None:
    with pytest.raises(ValueError, match="no-such-model"):
        Upscaler.from_pretrained("no-such-model", local_files_only=True)


@pytest.mark.benchmark
def test_inv_04_trained_weights_show_no_seam(shared_data: Path) -> None:
    folder = shared_data / "weights" / "swin2SR-lightweight-x2-64"
    picture = shared_data / "benchmarks" / "Set5" / "HR" / "butterfly.png"
    if not (folder.is_dir() and picture.is_file()):
        pytest.skip("no trained lightweight weights or no Set5")
    one = Upscaler.from_pretrained(folder, device="cpu", precision="float32")
    crop = np.asarray(Image.open(picture).convert("RGB"))[:176, :64]
    whole = one.picture(crop, tile=None).pixels
    cut = one.picture(crop, tile=88).pixels
    assert abs(cut - whole).max() <= 1e-4
    jumps = abs((cut * 255).round() - (whole * 255).round())
    assert jumps.max() <= 1
    assert (jumps > 0).mean() < 0.005


def test_a_picture_object_carries_notes_and_metadata_through() -> None:
    source = Picture(
        pixels=noise(8, 8),
        alpha=None,
        grey=False,
        bits=16,
        metadata=b"camera",
        format="TIFF",
        notes=("first frame used",),
    )
    result = upscaler().picture(source, keep_metadata=True)
    assert result.metadata == b"camera"
    assert result.bits == 16
    assert result.notes == ("first frame used",)


def test_a_result_of_the_wrong_size_is_an_error() -> None:
    model = lively()
    one = Upscaler(model, device="cpu", precision="float32")
    model.config = TINY.replace(upscale=4)
    one._engine.config = model.config
    with pytest.raises(ShapeError):
        one(noise(8, 8))
