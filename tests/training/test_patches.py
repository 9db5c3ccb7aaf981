"""Patches: aligned, reproducible, all equally likely, and damaged as use will damage them."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from swin2sr.errors import ConfigError
from swin2sr.images.degradations import Jpeg
from swin2sr.images.resize import imresize
from swin2sr.training import Batch, Pairs, Patches
from swin2sr.training.patches import prefetch


def repeated(height: int = 12, width: int = 14, scale: int = 2) -> Pairs:
    """One pair whose HR image repeats each LR pixel, all LR pixels different."""
    lr = np.arange(height * width, dtype=np.uint8).reshape(height, width, 1).repeat(3, axis=2)
    hr = lr.repeat(scale, axis=0).repeat(scale, axis=1)
    return Pairs(scale, (lr,), (hr,), ("counted",))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Blurred noise, (height, width, 3) uint8."""
    raw = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return imresize(raw, size=(height, width))


def to_bytes(patch: torch.Tensor) -> np.ndarray:
    """(C, H, W) in 0..1 -> (H, W, C) uint8."""
    return (patch * 255).round().byte().permute(1, 2, 0).numpy()


def test_lr_and_hr_patches_stay_aligned_through_flips_and_turns() -> None:
    patches = Patches(repeated(), patch=5, batch=3, seed=0)
    for step in range(20):
        lr, hr, clean, taught = patches(step)
        assert lr.shape == (3, 3, 5, 5)
        assert hr.shape == (3, 3, 10, 10)
        assert clean is lr
        assert taught is hr
        enlarged = lr.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        assert (enlarged == hr).all()


@pytest.mark.parametrize("scale", [2, 4])
def test_shrinking_an_hr_patch_gives_its_lr_patch(scale: int) -> None:
    image = noise(96, 128)
    pairs = Pairs(scale, (imresize(image, 1 / scale),), (image,), ("one",))
    lr, hr, *_ = Patches(pairs, patch=16, batch=8, seed=0)(0)
    for low, high in zip(lr, hr, strict=True):
        small = imresize(to_bytes(high), 1 / scale)
        inside = (slice(2, -2),) * 2  # the patch's own border was no border in the image
        # Rounding after each of two passes comes in another order for a turned patch.
        assert np.abs(small[inside].astype(int) - to_bytes(low)[inside]).max() <= 2


def test_what_a_teacher_made_is_cut_where_hr_is() -> None:
    pairs = repeated()
    taught = replace(pairs, taught=tuple(255 - image for image in pairs.hr))
    batch = Patches(taught, patch=5, batch=6, seed=0)(0)
    torch.testing.assert_close(batch.taught, 1 - batch.hr)
    assert batch.hr.std() > 0.01


def test_a_step_always_gets_the_same_patches_and_others_get_others() -> None:
    def batch(seed: int, step: int) -> list[float]:
        return Patches(repeated(), 5, 4, seed)(step).lr.flatten().tolist()

    assert batch(0, 3) == batch(0, 3)
    assert batch(0, 3) != batch(0, 4)
    assert batch(0, 3) != batch(1, 3)


@pytest.mark.parametrize("quality", [None, (10, 40)])
def test_parts_make_up_the_whole_batch(quality: tuple[int, int] | None) -> None:
    image = noise(40, 48)
    pairs = Pairs(1, (image,), (image,), ("one",))
    patches = Patches(pairs, 8, 6, 0, quality)
    parts = [patches(7, slice(start, start + 2)) for start in (0, 2, 4)]
    for whole, *pieces in zip(patches(7), *parts, strict=True):
        assert torch.equal(whole, torch.cat(pieces))


def test_all_eight_orientations_occur() -> None:
    lr = np.arange(16, dtype=np.uint8).reshape(4, 4, 1).repeat(3, axis=2)
    pairs = Pairs(1, (lr,), (lr,), ("one",))
    patches = Patches(pairs, patch=4, batch=200, seed=0)(0).lr
    assert len({tuple(patch[0].flatten().tolist()) for patch in patches}) == 8


def test_every_position_is_equally_likely() -> None:
    small, large = repeated(5, 5), repeated(5, 14)  # 1 and 10 places for a patch of 5
    pairs = Pairs(2, small.lr + large.lr, small.hr + large.hr, ("small", "large"))
    patches = Patches(pairs, patch=5, batch=2200, seed=0)(0).lr
    centres = (patches[:, 0, 2, 2] * 255).round().int()
    counts = {int(value): int((centres == value).sum()) for value in centres.unique()}
    # The centre of the small image and of the large one's first place is 12 or 2 * 14 + 2 = 30.
    assert set(counts) == {12, *range(30, 40)}
    assert min(counts.values()) > 140
    assert max(counts.values()) < 270


def test_patches_are_floats_between_0_and_1() -> None:
    for tensor in Patches(repeated(), 5, 2, 0)(0):
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous()
        assert tensor.min() >= 0
        assert tensor.max() <= 167 / 255


def test_other_colours_for_the_share_that_was_asked_for() -> None:
    image = noise(96, 128)
    pairs = Pairs(2, (imresize(image, 0.5),), (image,), ("one",))
    plain = Patches(pairs, patch=16, batch=1, seed=0)
    some = Patches(pairs, patch=16, batch=1, seed=0, recolour=0.25)
    changed = 0
    for step in range(400):
        kept, new = plain(step), some(step)
        changed += not torch.equal(kept.hr, new.hr)
        assert torch.equal(kept.hr, new.hr) == torch.equal(kept.lr, new.lr)
    assert 70 <= changed <= 130  # of 400 throws at 0.25, 3 sigma are 26


def test_recoloured_patches_are_linear_in_each_channel_and_alike_in_lr_and_hr() -> None:
    """Every channel of both is one straight line of what it was, up to rounding."""
    image = noise(96, 128)
    pairs = Pairs(2, (imresize(image, 0.5),), (image,), ("one",))
    old = Patches(pairs, patch=16, batch=1, seed=3)(0)
    new = Patches(pairs, patch=16, batch=1, seed=3, recolour=1.0)(0)
    assert not torch.equal(old.lr, new.lr)
    for channel in range(3):
        before = old.hr[0, channel].flatten().double()
        after = new.hr[0, channel].flatten().double()
        slope, offset = np.polyfit(before.numpy(), after.numpy(), 1)
        assert (after - (slope * before + offset)).abs().max() <= 1.1 / 255
        small = slope * old.lr[0, channel].double() + offset
        assert (new.lr[0, channel] - small).abs().max() <= 1.1 / 255


def test_recolouring_reaches_both_ends_and_inverts() -> None:
    image = np.linspace(0, 255, 32 * 32).reshape(32, 32, 1).repeat(3, 2).astype(np.uint8)
    pairs = Pairs(1, (image,), (image,), ("ramp",))
    old, new = (Patches(pairs, patch=32, batch=1, seed=0, recolour=share) for share in (0, 1))
    ends = []
    for step in range(40):
        before, after = (patches(step).hr[0, 0].flatten().numpy() for patches in (old, new))
        ends.append(np.interp([0.0, 1.0], before[order := before.argsort()], after[order]))
    low, high = np.array(ends).T
    assert min(low.min(), high.min()) < 0.02
    assert max(low.max(), high.max()) > 0.98
    assert 5 < (low > high).sum() < 35


def test_flat_patches_are_one_colour_and_may_be_any() -> None:
    image = noise(96, 128)
    pairs = Pairs(2, (imresize(image, 0.5),), (image,), ("one",))
    batches = [Patches(pairs, patch=16, batch=1, seed=0, flat=0.5)(step) for step in range(200)]
    flat = [batch for batch in batches if batch.hr.flatten(2).std(dim=2).max() == 0]
    assert 79 <= len(flat) <= 121  # of 200 throws at 0.5, 3 sigma are 21
    colours = torch.cat([batch.hr[:, :, 0, 0] for batch in flat])
    assert all(torch.equal(one.lr[0, :, 3, 5], one.hr[0, :, 0, 0]) for one in flat)
    assert colours.min() < 0.01
    assert colours.max() > 0.99
    assert (colours.amax(dim=1) - colours.amin(dim=1)).max() > 0.9  # pure ones among them


def test_images_smaller_than_the_patch_are_named() -> None:
    with pytest.raises(ConfigError, match=r"26x26 pixels.*13x13.*'counted'"):
        Patches(repeated(), 13, 1, 0)
    with pytest.raises(ConfigError, match="13x13"):
        Patches(Pairs(2, (), (), ()), 13, 1, 0)


def _matches(clean: np.ndarray, damaged: np.ndarray) -> list[int]:
    """The JPEG qualities that turn one patch into the other."""
    return [q for q in range(1, 101) if np.array_equal(Jpeg(q)(clean), damaged)]


def test_compressed_patches_are_clean_ones_at_a_quality_of_the_range() -> None:
    image = noise(64, 64)
    pairs = Pairs(1, (image,), (image,), ("one",))
    batch = Patches(pairs, 16, 12, 0, (10, 40))(0)
    assert torch.equal(batch.clean, batch.hr)
    met = []
    for lr, clean in zip(batch.lr, batch.clean, strict=True):
        matching = _matches(to_bytes(clean), to_bytes(lr))
        assert set(matching) & set(range(10, 41))
        met += matching[:1]
    assert len(set(met)) > 5


def test_lower_qualities_do_more_damage() -> None:
    image = noise(64, 64)
    pairs = Pairs(2, (imresize(image, 0.5),), (image,), ("one",))

    def damage(quality: int) -> float:
        batch = Patches(pairs, 16, 8, 0, (quality, quality))(0)
        return float((batch.lr - batch.clean).abs().mean())

    assert damage(10) > 1.2 * damage(40) > 0


def test_damage_is_what_compressing_the_whole_image_does_there() -> None:
    """JPEG's blocks of a patch lie where those of the whole image do."""
    image = noise(48, 64)[..., :1]  # grey: colour planes have blocks of 16 and smooth borders
    whole = Jpeg(10)(image[..., 0])
    places = [
        whole[top : top + 16, left : left + 16]
        for top in range(0, 48 - 15, 8)
        for left in range(0, 64 - 15, 8)
    ]
    pairs = Pairs(1, (image,), (image,), ("one",))
    upright = 0
    for lr in Patches(pairs, 16, 64, 0, (10, 10))(0).lr:
        upright += any(np.array_equal(to_bytes(lr)[..., 0], place) for place in places)
    assert upright >= 4  # one in eight is neither turned nor flipped


def test_batches_come_in_order_however_many_threads_make_them() -> None:
    patches = Patches(repeated(), 5, 2, 0)
    for depth in (1, 3):
        batches = list(prefetch(patches, range(4, 11), depth))
        assert len(batches) == 7
        for step, batch in zip(range(4, 11), batches, strict=True):
            assert torch.equal(batch.lr, patches(step).lr)


def test_a_batch_that_fails_says_so_where_it_is_used() -> None:
    def make(step: int) -> Batch:
        if step == 2:
            raise ConfigError("no such step")
        return Patches(repeated(), 5, 2, 0)(step)

    with pytest.raises(ConfigError, match="no such step"):
        list(prefetch(make, range(5)))


def test_no_thread_is_left_when_the_batches_are_not_used_up() -> None:
    before = threading.active_count()
    batches = prefetch(Patches(repeated(), 5, 2, 0), range(100))
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before


def test_real_world_patches_are_damaged_hr_patches() -> None:
    image = noise(96, 128)
    pairs = Pairs(4, (imresize(image, 0.25),), (image,), ("one",))
    clean, damaged = (Patches(pairs, 16, 8, 0, realworld=flag)(0) for flag in (False, True))
    assert damaged.lr.shape == (8, 3, 16, 16)
    assert damaged.clean is damaged.lr
    errors = (clean.lr - damaged.lr).abs().mean((1, 2, 3))
    assert errors.min() > 0.001
    assert errors.max() > 1.5 * errors.min()  # of every strength
