"""Augmentation: drawn from the generator alone, within its limits, row by row; nothing where all is off."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from seesay.config import AugmentConfig
from seesay.registry import resolved
from seesay.signal.augment_features import augment_pictures, augment_recordings, augment_vectors
from seesay.spec import spec_type
from tiny import STILL

STRONG = AugmentConfig(
    shift=0.3, rotate=40.0, zoom=0.4, delay=0.5, stretch=0.5, mask_frames=20, mask_columns=20, noise=1.0
)


def augment(features: Tensor, kind: str, config: AugmentConfig, generator: Generator) -> Tensor:
    """As the kind of content says that its features are changed."""
    return resolved(spec_type(kind).augment)(features, config, generator)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def only(**settings: Any) -> AugmentConfig:
    return dataclasses.replace(STILL, **settings)


def pictures(b: int = 4, c: int = 1, h: int = 8, w: int = 8) -> Tensor:
    return torch.rand((b, c, h, w), generator=seeded(7))


def recordings(b: int = 4, t: int = 20, f: int = 6) -> Tensor:
    return torch.randn((b, t, f), generator=seeded(7))


KINDS = {
    "picture": pictures(),
    "waveform": recordings(),
    "matrix": recordings(),
    "vector": torch.randn((4, 6), generator=seeded(7)),
}


@pytest.mark.parametrize(("kind", "features"), list(KINDS.items()), ids=list(KINDS))
def test_the_same_generator_makes_the_same_batch(kind: str, features: Tensor):
    one, same, other = (augment(features, kind, AugmentConfig(), seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("kind", "features"), list(KINDS.items()), ids=list(KINDS))
def test_nothing_is_drawn_from_torchs_own_generator(kind: str, features: Tensor):
    before = torch.get_rng_state()
    augment(features, kind, AugmentConfig(), seeded())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("kind", "features"), list(KINDS.items()), ids=list(KINDS))
def test_with_everything_at_0_nothing_changes(kind: str, features: Tensor):
    assert torch.equal(augment(features, kind, STILL, seeded()), features)


@pytest.mark.parametrize(("kind", "features"), list(KINDS.items()), ids=list(KINDS))
def test_the_batch_that_came_in_stays_as_it_is(kind: str, features: Tensor):
    before = features.clone()
    augment(features, kind, STRONG, seeded())
    assert torch.equal(features, before)


@pytest.mark.parametrize(("kind", "features"), list(KINDS.items()), ids=list(KINDS))
def test_equal_rows_are_changed_differently(kind: str, features: Tensor):
    twins = features[:1].repeat(2, *[1] * (features.dim() - 1))
    one, other = augment(twins, kind, AugmentConfig(), seeded())
    assert not torch.equal(one, other)


@given(st.integers(1, 3), st.sampled_from([1, 3]), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=20)
def test_pictures_keep_shape_and_range(b: int, c: int, h: int, w: int, seed: int):
    changed = augment_pictures(pictures(b, c, h, w), STRONG, seeded(seed))
    assert changed.shape == (b, c, h, w)
    assert changed.min() >= 0
    assert changed.max() <= 1 + 1e-6


@given(st.integers(1, 3), st.integers(1, 30), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=20)
def test_recordings_keep_shape_and_stay_finite(b: int, t: int, f: int, seed: int):
    changed = augment_recordings(recordings(b, t, f), STRONG, seeded(seed))
    assert changed.shape == (b, t, f)
    assert changed.isfinite().all()


# --------------------------------------------------------------------------------------------------- pictures


def centres(picture: Tensor) -> Tensor:
    """(b, 2): the centre of mass of each picture, y and x, in pixels."""
    places = torch.arange(float(picture.shape[-1]))
    mass = picture.sum((1, 2, 3))
    return (
        torch.stack([(picture.sum((1, 3)) * places).sum(1), (picture.sum((1, 2)) * places).sum(1)], 1)
        / mass[:, None]
    )


def dots(b: int = 200, at: tuple[int, int] = (10, 10)) -> Tensor:
    picture = torch.zeros(b, 1, 21, 21)
    picture[:, :, at[0], at[1]] = 1
    return picture


def test_pictures_move_by_at_most_the_shift_and_up_to_it():
    moved = (centres(augment_pictures(dots(), only(shift=0.2), seeded())) - 10).abs()
    assert moved.max() <= 0.2 * 21 + 1e-3
    assert moved.max() > 0.15 * 21


def test_pictures_turn_by_at_most_the_angle_and_up_to_it():
    off = centres(augment_pictures(dots(at=(10, 18)), only(rotate=30.0), seeded())) - 10
    angles = torch.rad2deg(torch.atan2(off[:, 0], off[:, 1]))
    assert angles.abs().max() <= 30 + 1
    assert angles.max() > 25
    assert angles.min() < -25


def test_a_turned_picture_keeps_its_middle():
    changed = augment_pictures(dots(), only(rotate=30.0), seeded())
    assert (centres(changed) - 10).abs().max() < 1e-3


def test_pictures_grow_and_shrink_by_at_most_the_zoom():
    off = centres(augment_pictures(dots(at=(10, 15)), only(zoom=0.25), seeded()))[:, 1] - 10
    assert off.max() <= 5 / 0.75 + 0.5
    assert off.min() >= 5 / 1.25 - 0.5
    assert off.max() - off.min() > 1.5


def test_what_comes_in_from_outside_is_black():
    changed = augment_pictures(torch.ones(50, 1, 20, 20), only(shift=0.3), seeded())
    assert (changed.amin((1, 2, 3)) == 0).sum() > 40


# ------------------------------------------------------------------------------------------------- recordings


@pytest.mark.parametrize(("axis", "setting"), [(1, "mask_frames"), (2, "mask_columns")])
@pytest.mark.parametrize("longest", [1, 3, 100])
def test_one_run_is_masked_within_its_limit(axis: int, setting: str, longest: int):
    changed = augment_recordings(torch.ones(300, 10, 8), only(**{setting: longest}), seeded())
    masked = (changed == 0).all(3 - axis)
    assert torch.equal(masked, (changed == 0).any(3 - axis)), "a place is masked whole"
    lengths = masked.sum(1)
    assert lengths.min() == 0
    assert lengths.max() == min(longest, changed.shape[axis])
    edges = np.diff(np.pad(masked.numpy().astype(int), ((0, 0), (1, 1))), axis=1)
    assert ((edges == 1).sum(1) <= 1).all(), "one run, not several"


@pytest.mark.parametrize(("axis", "setting"), [(1, "mask_frames"), (2, "mask_columns")])
def test_masks_reach_every_place(axis: int, setting: str):
    changed = augment_recordings(torch.ones(300, 10, 8), only(**{setting: 3}), seeded())
    assert (changed == 0).any(0).any(2 - axis).all()


def ramp(b: int = 200, t: int = 41) -> Tensor:
    """Recordings that say at which frame one is."""
    return torch.arange(float(t)).view(1, -1, 1).repeat(b, 1, 2)


def test_recordings_move_by_at_most_the_delay_and_up_to_it():
    middle = augment_recordings(ramp(), only(delay=0.2), seeded())[:, 20, 0] - 20
    assert middle.abs().max() <= 0.2 * 41 + 1e-3
    assert middle.max() > 0.17 * 41
    assert middle.min() < -0.17 * 41


def test_recordings_are_stretched_around_their_middle_within_the_limit():
    changed = augment_recordings(ramp(), only(stretch=0.25), seeded())[:, :, 0]
    torch.testing.assert_close(changed[:, 20], torch.full((200,), 20.0))
    pace = changed[:, 24] - changed[:, 23]
    assert pace.min() >= 0.75 - 1e-3
    assert pace.max() <= 1.25 + 1e-3
    assert pace.max() - pace.min() > 0.4


def test_beyond_the_ends_the_last_frame_goes_on():
    changed = augment_recordings(ramp(), only(delay=0.5, stretch=0.5), seeded())
    assert (changed.min(), changed.max()) == (0, 40)
    assert (changed.diff(dim=1) >= 0).all()


def test_noise_is_as_loud_as_it_is_set():
    noise = augment_recordings(torch.zeros(50, 40, 10), only(noise=0.3), seeded())
    assert noise.std().item() == pytest.approx(0.3, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.01)


def test_vectors_get_the_same_noise_and_nothing_else():
    vectors = torch.ones(200, 50)
    noise = augment_vectors(vectors, only(vector_noise=0.3), seeded()) - vectors
    assert noise.std().item() == pytest.approx(0.3, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert torch.equal(
        augment_vectors(vectors, dataclasses.replace(STRONG, vector_noise=0.0), seeded()), vectors
    )


def test_half_of_the_pictures_are_mirrored_and_nothing_else():
    pictures = torch.rand(64, 3, 9, 9)
    config = dataclasses.replace(STILL, mirror=True)
    changed = augment_pictures(pictures, config, torch.Generator().manual_seed(0))
    same = [torch.allclose(a, b, atol=1e-5) for a, b in zip(changed, pictures, strict=True)]
    swapped = [torch.allclose(a, b.flip(-1), atol=1e-5) for a, b in zip(changed, pictures, strict=True)]
    assert all(a != b for a, b in zip(same, swapped, strict=True))
    assert 16 < sum(swapped) < 48
