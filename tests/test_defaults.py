"""What is left open follows from the rows; what is given is obeyed."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from seesay.config import Config, FeaturesConfig, OptimConfig, SplitConfig, WaveformConfig
from seesay.errors import ConfigError
from seesay.learn.defaults import (
    FEW,
    FOLDS,
    INPUTS,
    RATE,
    Facts,
    class_weights,
    learned_prior,
    settings_notes,
    settled,
    settled_split,
)
from seesay.recipes import recipe
from seesay.spec import PictureSpec, VectorSpec, WaveformSpec
from tiny import tiny_data


def facts(rows: int, valid: int = 0) -> Facts:
    return Facts(rows, (rows // 2, rows - rows // 2), valid)


@pytest.mark.parametrize("rows", [56_432, 60_000])
def test_a_recipe_is_itself_on_the_rows_it_was_made_for(rows: int):
    """open-wsd's 60,000 with and without those that validate, which groups do not let be a tenth exactly."""
    small, best = (settled(recipe(name), facts(rows, 3_568)).optim for name in ("small", "best"))
    assert (small.epochs, small.batch, small.copies) == (6, 256, 1)
    assert (best.epochs, best.batch, best.copies) == (14, 256, 1)


@pytest.mark.parametrize("rows", [16, 30, 100, 460, 1_000, 10_000, 60_000])
def test_a_batch_is_at_most_an_eighth_of_the_rows_and_a_step_has_enough_inputs(rows: int):
    optim = settled(Config(), facts(rows)).optim
    assert optim.batch is not None
    assert optim.copies is not None
    assert 2 <= optim.batch <= rows / 8
    assert optim.batch * optim.copies >= INPUTS


def steps(rows: int) -> int:
    optim = settled(Config(), facts(rows)).optim
    assert optim.batch is not None
    assert optim.epochs is not None
    return rows // optim.batch * optim.epochs


def test_steps_grow_slowly_with_the_rows_and_epochs_shrink():
    counts = [steps(rows) for rows in (30, 300, 3_000, 60_000)]
    assert counts == sorted(counts)
    assert counts[0] > counts[-1] / 6
    assert steps(600_000) == pytest.approx(10 * steps(60_000), rel=0.01), "of more rows none is left out"


def test_what_is_given_is_obeyed():
    given = OptimConfig(epochs=80, batch=48, copies=2, patience=3)
    assert settled(Config(optim=given), facts(60, valid=9)).optim == given


def test_without_rows_to_validate_nothing_is_waited_for():
    assert settled(Config(), facts(60)).optim.patience == 0
    assert settled(Config(), facts(6_000, 600)).optim.patience


def test_few_rows_are_cross_fitted_and_none_validate():
    data = tiny_data(split=np.full(72, -1, np.int8))
    found = settled_split(Config(), data)
    assert len(data) < FEW
    assert (found.valid, found.folds) == (0.0, FOLDS)


def test_a_share_that_is_given_validates_and_a_split_that_is_there_is_kept():
    data = tiny_data(split=np.full(72, -1, np.int8))
    assert settled_split(Config(split=SplitConfig(valid=0.2)), data) == SplitConfig(valid=0.2, folds=0)
    assert settled_split(Config(), tiny_data()).folds == 0, "tiny_data names rows that validate"


def test_a_class_of_one_group_cannot_be_cross_fitted():
    """All rows of one speaker: held out, the class would be unknown."""
    data = tiny_data(split=np.full(72, -1, np.int8))
    groups = {
        "audio": {"speaker": dataclasses.replace(data.groups["audio"]["speaker"], ids=np.zeros(24, np.int32))}
    }
    found = settled_split(Config(), data.replace(groups=groups))
    assert (found.valid, found.folds) == (0.1, 0)


COUNTS = np.array([90, 9, 1])


def test_weights_are_1_on_average_over_the_rows():
    for kind in ("balanced", "auto"):
        weights = class_weights(OptimConfig(class_weights=kind), COUNTS)
        assert weights is not None
        assert (weights * COUNTS).sum() == pytest.approx(100)
        assert weights[2] > weights[1] > weights[0]


def test_nothing_is_weighed_where_classes_are_nearly_as_frequent_or_by_default():
    assert class_weights(OptimConfig(class_weights="auto"), np.array([30, 11, 10])) is None
    assert class_weights(OptimConfig(), COUNTS) is None


def test_the_learned_prior_by_hand():
    plain = OptimConfig(label_smoothing=0.1)
    np.testing.assert_allclose(learned_prior(plain, np.array([9, 1])), [0.9 * 0.9 + 0.05, 0.9 * 0.1 + 0.05])
    even = OptimConfig(label_smoothing=0.1, class_weights="balanced")
    np.testing.assert_allclose(learned_prior(even, np.array([9, 1])), [0.5, 0.5])


def test_one_line_says_what_was_chosen():
    config = dataclasses.replace(settled(Config(), facts(40)), split=SplitConfig(valid=0.0, folds=3))
    (line,) = settings_notes(config, facts(40))
    assert "40 training rows" in line
    assert "3 cross-fitted models" in line
    assert f"{config.optim.epochs} epochs" in line


def test_photos_are_mirrored_and_digits_are_not():
    photos = dataclasses.replace(facts(100), photos=True)
    assert settled(Config(), photos).augment.mirror
    assert not settled(Config(), facts(100)).augment.mirror
    given = dataclasses.replace(Config().augment, mirror=False)
    assert settled(Config(augment=given), photos).augment == given


@pytest.mark.parametrize("rows", [100, 1_400, 60_000])
def test_vectors_alone_take_large_batches(rows: int):
    """Their steps are cheap, and small batches score lower (docs/log.md)."""
    vectors = dataclasses.replace(facts(rows), contents={"clip": VectorSpec(8), "clap": VectorSpec(8)})
    assert settled(Config(), vectors).optim.batch == min(rows // 8, 256)
    mixed = dataclasses.replace(facts(rows), contents={"clip": VectorSpec(8), "image": PictureSpec()})
    assert settled(Config(), mixed).optim.batch == settled(Config(), facts(rows)).optim.batch


@pytest.mark.parametrize(
    ("seconds", "kind", "finetune"), [(1.0, "speech", RATE), (5.0, "efficientnet-lite0", 0.0)]
)
def test_auto_takes_the_network_of_speech_for_words(
    seconds: float, kind: str, finetune: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("seesay.learn.defaults.installed", lambda: True)
    facts = Facts(60, (60,), 0, contents={"audio": WaveformSpec(rate=8_000, seconds=seconds)})
    config = settled(recipe("auto"), facts)
    encoder = config.model.named["audio"]
    assert (encoder.kind, encoder.finetune) == (kind, finetune)
    assert bool(config.waveform.views) == bool(finetune)
    assert settled(config, facts) == config
    (noted,) = [line for line in settings_notes(config, facts) if "pretrained" in line] or [""]
    length = "as words are" if kind == "speech" else "longer than words"
    assert noted.startswith(f"recordings of up to {seconds:g} s, {length}: the pretrained network {kind}, ")


@pytest.mark.parametrize("present", [True, False])
def test_auto_takes_the_network_of_photos_where_it_is_installed(
    present: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("seesay.learn.defaults.installed", lambda: present)
    photo = PictureSpec(reader="photo", channels=3, height=64, width=64)
    icon = replace(photo, height=16)
    contents = {"image": photo, "icon": icon, "drawing": PictureSpec(), "audio": WaveformSpec(seconds=5.0)}
    facts = Facts(60, (60,), 0, photos=True, contents=contents)
    config = settled(recipe("auto"), facts)
    kinds = {modality: encoder.kind for modality, encoder in config.model.named.items()}
    used = "efficientnet-lite0" if present else "cnn"
    assert kinds == {"image": used, "icon": "cnn", "drawing": "cnn", "audio": used}
    notes = " ".join(settings_notes(config, facts))
    assert ("image" in notes, "recordings" in notes, "seesay[photos]" in notes) == (True, True, not present)


def test_auto_leaves_what_is_set():
    facts = Facts(FEW, (FEW,), 0, contents={"audio": WaveformSpec(rate=8_000)})
    config = recipe("auto").naming({"audio": "waveform"})
    own = replace(config.model.named["audio"], finetune=0.05)
    louder = WaveformConfig(views=2, gain=3.0)
    config = replace(config, model=replace(config.model, named={"audio": own}), waveform=louder)
    found = settled(config, facts)
    assert found.model.named["audio"].finetune == 0.05
    assert found.waveform == louder
    mfcc = replace(own, finetune=0.0, features=FeaturesConfig(kind="mfcc"))
    config = replace(config, model=replace(config.model, named={"audio": mfcc}))
    assert settled(config, facts).model.named["audio"].kind == "cnn"
    scratch = {"audio": replace(mfcc, finetune=0.2)}
    with pytest.raises(ConfigError, match="cnn is not pretrained"):
        settled(replace(config, model=replace(config.model, named=scratch)), facts)
