"""One network, run in the right mode and precision, tile by tile, whatever happens meanwhile."""

from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swin2sr.config import Swin2SRConfig
from swin2sr.errors import ConfigError, JobError, ShapeError
from swin2sr.images.samples import sample_picture
from swin2sr.inference import engine, hardware, tiling
from swin2sr.inference.engine import Engine, TiledPass, run_tiles

CONFIG = Swin2SRConfig(embed_dim=12, depths=(2, 2), num_heads=(2, 2))
WIDE = CONFIG.replace(embed_dim=180)


class Enlarge(nn.Module):
    """A network of one number: repeats every pixel and multiplies it."""

    def __init__(self, factor: float = 1.0, config: Swin2SRConfig = CONFIG) -> None:
        super().__init__()
        self.config = config
        self.factor = nn.Parameter(torch.tensor(factor))
        self.dropout = nn.Dropout(0.5)
        self.layers = nn.ModuleList([nn.Identity(), nn.Identity()])
        self.runs: list[tuple[int, ...]] = []

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        self.runs.append(tuple(pixel_values.shape))
        features = self.dropout(pixel_values.to(self.factor.dtype) * self.factor)
        for layer in self.layers:
            features = layer(features)
        scale = self.config.upscale
        larger = features.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        return SimpleNamespace(reconstruction=larger.to(pixel_values.dtype))


class Small(Enlarge):
    """Runs out of memory beyond so many pixels; the message is what a CPU says."""

    def __init__(self, most: int, words: str = "", **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.most, self.words = most, words

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        if pixel_values.shape[2] * pixel_values.shape[3] > self.most:
            raise RuntimeError(self.words) if self.words else torch.OutOfMemoryError("full")
        return super().forward(pixel_values)


def on_cpu(model: nn.Module, precision: str = "float32") -> Engine:
    return Engine(model, "cpu", precision)


def picture(height: int = 40, width: int = 24) -> np.ndarray:
    return np.random.default_rng(1).random((height, width, 3), dtype=np.float32)


def enlarge(
    one: Engine, planes: np.ndarray, tile: int | None = None, margin: int = 8
) -> tuple[np.ndarray, list[engine.Progress]]:
    height, width, colours = planes.shape
    canvas = np.zeros((height * one.scale, width * one.scale, colours), one.numpy_dtype)
    plan = tiling.plan(height, width, one.config.window_size, tile, margin)
    return canvas, list(run_tiles(one, [TiledPass(planes, plan, canvas)]))


def repeated(planes: np.ndarray, scale: int = 2) -> np.ndarray:
    return planes.repeat(scale, 0).repeat(scale, 1)


def test_a_run_gives_float32_whatever_the_precision() -> None:
    pixels = torch.rand(1, 3, 16, 8)
    for precision in ("float32", "bfloat16"):
        result, redone = on_cpu(Enlarge(), precision).run(pixels)
        assert result.dtype == torch.float32
        assert result.shape == (1, 3, 32, 16)
        assert not redone


def test_float64_is_computed_and_kept_in_float64() -> None:
    one = on_cpu(Enlarge(1 / 3), "float64")
    result, _ = one.run(torch.rand(1, 3, 8, 8, dtype=torch.float64))
    assert result.dtype == torch.float64
    assert one.numpy_dtype is np.float64
    assert one.item_size == 8


def test_a_network_of_another_scale_than_it_says_is_refused() -> None:
    model = Enlarge()
    one = on_cpu(model)
    model.config = CONFIG.replace(upscale=4)
    with pytest.raises(ShapeError, match=r"\(32, 32\).*expected \(16, 16\)"):
        one.run(torch.rand(1, 3, 8, 8))


def test_arr_13_a_model_in_train_mode_gives_the_eval_result_and_stays_in_train_mode() -> None:
    model = Enlarge().train()
    model.layers.eval()
    flags = [module.training for module in model.modules()]
    pixels = torch.rand(1, 3, 8, 8)
    result, _ = on_cpu(model).run(pixels)
    assert torch.equal(result, model.eval()(pixels).reconstruction)
    assert not result.requires_grad
    model.train()
    model.layers.eval()
    assert [module.training for module in model.modules()] == flags


def test_training_flags_come_back_after_a_failure() -> None:
    model = Small(1, "broken").train()
    with pytest.raises(RuntimeError, match="broken"):
        on_cpu(model).run(torch.rand(1, 3, 8, 8))
    assert all(module.training for module in model.modules())


def test_arr_14_float16_off_cuda_is_float32_with_a_note() -> None:
    one = on_cpu(Enlarge(), "float16")
    assert one.precision == "float32"
    assert "float16" in one.notes[0]
    assert "float32" in one.notes[0]


def test_arr_14_float16_of_a_classical_model_is_float32_even_on_cuda() -> None:
    for dim, precision in ((180, "float32"), (60, "float16")):
        config = SimpleNamespace(embed_dim=dim, upsampler="pixelshuffle", window_size=8)
        one = on_cpu(Enlarge(config=config), "float16")  # type: ignore[arg-type]
        one.device = torch.device("cuda")  # nothing runs: only the decision is asked for
        assert one.precision == precision
        assert bool(one.notes) == (precision == "float32")


def test_arr_14_numbers_that_overflow_are_computed_again_in_float32() -> None:
    class Overflows(Enlarge):
        def forward(self, pixel_values: Tensor) -> SimpleNamespace:
            output = super().forward(pixel_values)
            if self.factor.dtype == torch.bfloat16:
                output.reconstruction[:, :, 3] = torch.nan
            return output

    planes = picture()
    canvas, steps = enlarge(on_cpu(Overflows(), "bfloat16"), planes, tile=16)
    assert (canvas == repeated(planes)).all()
    assert steps[-1].redone == steps[-1].done == 6


@pytest.mark.parametrize("factor", [torch.nan, torch.inf])
def test_numbers_that_are_not_finite_in_float32_are_an_error(factor: float) -> None:
    with pytest.raises(JobError) as caught:
        on_cpu(Enlarge(factor)).run(torch.ones(1, 3, 8, 8))
    assert caught.value.code == "bad_values"


def with_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "has_fast_bfloat16", lambda device: True)


@pytest.mark.parametrize(("dim", "chosen"), [(180, "bfloat16"), (60, "float32")])
def test_auto_is_bfloat16_where_it_pays(
    monkeypatch: pytest.MonkeyPatch, dim: int, chosen: str
) -> None:
    with_bfloat16(monkeypatch)
    one = on_cpu(Enlarge(config=CONFIG.replace(embed_dim=dim)), "auto")
    assert one.precision == chosen
    assert one.notes == ()


def test_auto_does_not_ask_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    with_bfloat16(monkeypatch)
    monkeypatch.setattr(engine.time, "perf_counter", lambda: pytest.fail("the clock was asked"))
    assert on_cpu(Enlarge(config=WIDE), "auto").precision == "bfloat16"


@pytest.mark.parametrize("fault", [0.05, torch.nan])
def test_auto_is_float32_where_bfloat16_is_wrong(
    monkeypatch: pytest.MonkeyPatch, fault: float
) -> None:
    class Wrong(Enlarge):
        def forward(self, pixel_values: Tensor) -> SimpleNamespace:
            output = super().forward(pixel_values)
            if self.factor.dtype == torch.bfloat16:
                output.reconstruction += fault
            return output

    with_bfloat16(monkeypatch)
    one = on_cpu(Wrong(config=WIDE), "auto")
    assert one.precision == "float32"
    assert "bfloat16" in one.notes[0]


def test_auto_is_float32_without_hardware_and_without_trying(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hardware, "has_fast_bfloat16", lambda device: False)
    model = Enlarge(config=WIDE)
    assert on_cpu(model, "auto").precision == "float32"
    assert model.runs == []


def test_what_is_known_is_told_while_another_thread_computes() -> None:
    one = on_cpu(Enlarge())
    speed = one.seconds_per_pixel()
    with one._lock, ThreadPoolExecutor(1) as pool:
        assert pool.submit(one.seconds_per_pixel).result(timeout=30) == speed
        assert pool.submit(lambda: one.precision).result(timeout=30) == "float32"


def test_the_slowest_of_the_timed_runs_is_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.2, 1.0, 1.3, 2.0, 2.1])  # runs of 0.2, 0.3 and 0.1 seconds
    monkeypatch.setattr(engine.time, "perf_counter", lambda: next(clock))
    speed = on_cpu(Enlarge(), "float32").seconds_per_pixel()
    assert speed == pytest.approx(0.3 / engine.SAMPLE_SIDE**2)


def test_every_real_run_corrects_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 9.0, 10.0, 10.5, 11.0, 19.0])
    monkeypatch.setattr(engine.time, "perf_counter", lambda: next(clock))
    one = on_cpu(Enlarge(), "float32")
    one._speeds[one.precision, torch.get_num_threads()] = 30.0
    side = engine.SAMPLE_SIDE
    one.run(torch.ones(1, 3, side, side))
    assert one.seconds_per_pixel() == pytest.approx(9 / side**2)
    one.run(torch.ones(1, 3, side, 2 * side))
    assert one.seconds_per_pixel() == pytest.approx(0.25 / side**2)
    one.run(torch.ones(1, 3, 8, 8))  # too small to count
    assert one.seconds_per_pixel() == pytest.approx(0.25 / side**2)


def test_an_unknown_precision_names_the_choices() -> None:
    with pytest.raises(ConfigError, match="'auto', 'float32', 'bfloat16'"):
        on_cpu(Enlarge(), "int8")


def test_a_copy_in_another_precision_is_made_once_and_follows_the_weights() -> None:
    model = Enlarge(1.0)
    one = on_cpu(model, "bfloat16")
    pixels = torch.ones(1, 3, 8, 8)
    one.run(pixels)
    (copied,) = one._copies.values()
    model.factor.data.fill_(0.5)
    assert one.run(pixels)[0].unique().tolist() == [0.5]
    assert [*one._copies.values()] == [copied]
    assert model.factor.dtype == torch.float32


def test_a_copy_in_another_precision_is_made_anew_for_other_parameters() -> None:
    model = Enlarge(1.0)
    one = on_cpu(model, "bfloat16")
    pixels = torch.ones(1, 3, 8, 8)
    one.run(pixels)
    model.factor = nn.Parameter(torch.tensor([2.0]))
    assert one.run(pixels)[0].unique().tolist() == [2.0]


def test_speed_is_measured_once_for_each_number_of_threads() -> None:
    model = Enlarge()
    one = on_cpu(model)
    assert not one.knows_speed()
    assert one.seconds_per_pixel() > 0
    assert one.knows_speed()
    runs = len(model.runs)
    one.seconds_per_pixel()
    assert len(model.runs) == runs


def test_the_sample_picture_is_the_same_everywhere_and_in_range() -> None:
    for channels in (1, 3, 5):
        sample = sample_picture(64, channels)
        assert sample.shape == (1, channels, 64, 64)
        assert torch.equal(sample, sample_picture(64, channels))
        assert 0 <= sample.min() < sample.max() <= 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_arr_15_an_engine_can_be_copied_and_pickled(duplicate: object) -> None:
    one = on_cpu(Enlarge(0.5), "bfloat16")
    pixels = torch.rand(1, 3, 8, 8)
    expected, _ = one.run(pixels)
    other = duplicate(one)  # type: ignore[operator]
    assert torch.equal(other.run(pixels)[0], expected)
    assert other._lock is not one._lock


@pytest.mark.parametrize("tile", [None, 8, 16, 24])
@pytest.mark.parametrize("size", [(40, 24), (1, 1), (13, 29)])
def test_running_tiles_puts_every_pixel_where_it_belongs(
    tile: int | None, size: tuple[int, int]
) -> None:
    planes = picture(*size)
    canvas, steps = enlarge(on_cpu(Enlarge()), planes, tile)
    assert (canvas == repeated(planes)).all()
    assert [step.done for step in steps] == list(range(1, len(steps) + 1))
    assert steps[-1].total == steps[-1].done
    assert steps[-1].area_left == 0


@pytest.mark.parametrize(
    "words", ["", "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."]
)
def test_out_of_memory_halves_the_tiles_and_keeps_the_finished_ones(words: str) -> None:
    # 48 rows: the first tile, at the border, has one margin and fits; those between do not.
    planes = picture(96, 8)
    model = Small(40 * 8, words)
    canvas, steps = enlarge(on_cpu(model), planes, tile=32)
    assert (canvas == repeated(planes)).all()
    assert steps[-1].halved == 1
    assert model.runs.count((1, 3, 40, 8)) == 1  # not run again
    assert steps[-1].done == steps[-1].total == 1 + 2 * 2


def test_a_picture_that_never_fits_is_a_memory_error() -> None:
    with pytest.raises(JobError) as caught:
        enlarge(on_cpu(Small(1)), picture(), tile=None)
    assert caught.value.code == "memory"


def test_another_failure_of_the_network_is_passed_on() -> None:
    with pytest.raises(RuntimeError, match="unrelated"):
        enlarge(on_cpu(Small(1, "unrelated")), picture())


def test_cancelling_stops_before_the_next_layer_and_leaves_no_hook() -> None:
    event = threading.Event()
    model = Enlarge()
    model.layers[0].register_forward_hook(lambda *_: event.set())
    one = on_cpu(model)
    with pytest.raises(JobError) as caught:
        one.run(torch.rand(1, 3, 8, 8), event)
    assert caught.value.code == "cancelled"
    assert not model.layers[1]._forward_pre_hooks
    event.clear()
    assert one.run(torch.rand(1, 3, 8, 8))[0].shape == (1, 3, 16, 16)


def test_cancelling_stops_before_the_first_tile() -> None:
    event = threading.Event()
    event.set()
    model, planes = Enlarge(), picture(8, 8)
    target = np.zeros((16, 16, 3), np.float32)
    steps = run_tiles(
        on_cpu(model), [TiledPass(planes, tiling.plan(8, 8, 8, None, 0), target)], event
    )
    with pytest.raises(JobError):
        next(steps)
    assert model.runs == []


def test_several_passes_are_averaged() -> None:
    planes = picture(16, 8)
    canvas = np.zeros((32, 16, 3), np.float32)
    plan = tiling.plan(16, 8, 8, None, 0)
    passes = [TiledPass(planes, plan, canvas), TiledPass(planes[::-1], plan, canvas)]
    last = list(run_tiles(on_cpu(Enlarge()), passes))[-1]
    np.testing.assert_allclose(canvas, repeated((planes + planes[::-1]) / 2), atol=1e-6)
    assert last.total == 2


def test_the_eight_orientations_are_different_views_that_can_be_written_to() -> None:
    array = np.arange(6).reshape(2, 3, 1)
    views = [engine.orient(array, orientation) for orientation in range(tiling.ORIENTATIONS)]
    assert len({(view.shape, view.tobytes()) for view in views}) == 8
    assert all(np.shares_memory(view, array) for view in views)
    assert {view.shape for view in views[4:]} == {(3, 2, 1)}
