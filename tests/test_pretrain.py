"""Training before there are labels: losses are what they say, it goes on where it stopped, it freezes."""

import copy
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from seesay.config import Config, EncoderConfig, PretrainConfig
from seesay.data.batches import Batch, table
from seesay.data.dataset import Dataset
from seesay.data.splits import Splits, split
from seesay.errors import ConfigError, InputError
from seesay.learn.fit import Epoch, fit, fresh, validate
from seesay.learn.frozen_encoders import encodings_of, with_encoders, without_encoders
from seesay.learn.pretrain import Reconstruction, pretrain
from seesay.learn.run import Run, begin, train
from seesay.model.autoencoder import reconstruct
from seesay.model.classifier import Classifier, build
from seesay.model.features import features_of
from tiny import STILL, tiny_config, tiny_data, tiny_model

ENCODER = EncoderConfig(kind="report", width=4, layers=2, dropout=0.2)
MODEL = tiny_model(dim=16, image=ENCODER, audio=ENCODER, fusion="concat", head_layers=2)


def config(epochs: int = 2, freeze: bool = True, **changes: Any) -> Config:
    pretraining = PretrainConfig(epochs=epochs, batch=8, lr=5e-3, freeze=freeze)
    return tiny_config(3, model=MODEL, **{"augment": STILL, "pretrain": pretraining, **changes})


def prepared(config: Config, **changes: Any) -> tuple[Classifier, Dataset, Splits]:
    data = tiny_data(**changes)
    splits = split(data, 0)
    return fresh(config, data, splits.train), data, splits


def line(epoch: Reconstruction) -> tuple[str, int, float]:
    return epoch.modality, epoch.number, epoch.total


def weights(model: torch.nn.Module) -> dict[str, Tensor]:
    return {n: t.clone() for n, t in model.state_dict().items()}


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [n for n in one if not torch.equal(one[n], other[n])] == []


# --------------------------------------------------------------------------------------- reconstruction


def test_each_modality_is_trained_by_itself_one_after_the_other():
    chosen = config(epochs=3)
    epochs = list(pretrain(*prepared(chosen), chosen))
    assert [(e.modality, e.number) for e in epochs] == [(m, i) for m in ("image", "audio") for i in (1, 2, 3)]
    for modality in ("image", "audio"):
        losses = [e.mean for e in epochs if e.modality == modality]
        assert losses[-1] < 0.7 * losses[0], modality


def test_a_modality_that_the_model_does_not_have_is_left_out():
    chosen = config(modalities=("image",))
    _, data, splits = prepared(chosen)
    single = build(chosen.model, data.only("image").spec, seed=0)
    before = weights(single.encoders)
    assert {e.modality for e in pretrain(single, data, splits, chosen)} == {"image"}
    assert not any(torch.equal(t, before[n]) for n, t in weights(single.encoders).items())


def test_total_and_mean_are_of_the_batches_and_said_in_a_line():
    chosen = config(epochs=1)
    model, data, splits = prepared(chosen)
    epoch = next(pretrain(model, data, splits, chosen))
    assert epoch.total == pytest.approx(epoch.mean * (len(splits.train) // 8))
    assert (
        str(epoch)
        == f"image autoencoder, epoch 1/1: total loss {epoch.total:.4g}, mean loss {epoch.mean:.3g}"
    )


def test_a_loss_is_the_mean_squared_error_of_the_batch():
    """With a rate of next to nothing the weights stay, and the loss can be counted after the fact."""
    chosen = config(epochs=1)
    chosen = dataclasses.replace(chosen, pretrain=dataclasses.replace(chosen.pretrain, lr=1e-8))
    model, data, splits = prepared(chosen)
    seen: list[Batch] = []

    def keep(batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            seen.append(batch)
            yield batch

    no_dropout = dataclasses.replace(ENCODER, dropout=0.0)
    still = tiny_model(dim=16, image=no_dropout, audio=no_dropout, fusion="concat", head_layers=2)
    model = fresh(dataclasses.replace(chosen, model=still), data, splits.train)
    epoch = next(pretrain(model, data, splits, chosen, watch=keep))
    autoencoder = epoch.pretraining.autoencoders["image"].train()
    with torch.no_grad():
        errors = [float(((autoencoder(b.inputs["image"]) - b.inputs["image"]) ** 2).mean()) for b in seen]
    assert epoch.total == pytest.approx(sum(errors), rel=1e-3)


def test_only_training_rows_that_have_the_modality_are_seen():
    chosen = config(epochs=1)
    model, data, splits = prepared(chosen, missing=True)
    seen: dict[str, list[int]] = {"image": [], "audio": []}

    def keep(batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            [modality] = batch.inputs
            seen[modality] += batch.rows.tolist()
            yield batch

    list(pretrain(model, data, splits, chosen, watch=keep))
    for modality, rows in seen.items():
        assert rows
        assert set(rows) <= set(splits.train.tolist())
        assert (data.pointers(modality)[rows] >= 0).all()


def test_no_row_with_a_modality_is_said():
    chosen = config()
    model, data, splits = prepared(chosen)
    rows = np.array(data.rows)
    rows[:, 1] = -1
    with pytest.raises(InputError, match="no training row has audio"):
        list(pretrain(model, data.replace(rows=rows), splits, chosen))


def test_no_epochs_leave_everything_as_it_is():
    chosen = config(epochs=0)
    model, data, splits = prepared(chosen)
    before = weights(model)
    assert list(pretrain(model, data, splits, chosen)) == []
    assert_equal(weights(model), before)


def test_an_encoder_without_a_mirror_is_refused_before_anything_is_made():
    with pytest.raises(ConfigError, match=r"model\.audio\.kind is cnn"):
        tiny_config(model=tiny_model(image=ENCODER), pretrain=PretrainConfig(epochs=1))
    tiny_config(model=tiny_model(image=ENCODER), pretrain=PretrainConfig(epochs=1), modalities=("image",))


# ------------------------------------------------------------------------------- the same again, and on


def test_same_seed_same_losses_bit_for_bit():
    chosen = config()
    one, same = ([line(e) for e in pretrain(*prepared(chosen), chosen)] for _ in range(2))
    assert one == same
    other = dataclasses.replace(chosen, seed=1)
    assert [line(e) for e in pretrain(*prepared(other), other)] != one


@pytest.mark.parametrize("done", [1, 2, 3, 4])
def test_going_on_reaches_the_very_same_weights(done: int):
    chosen = config()
    model, data, splits = prepared(chosen)
    straight = list(pretrain(model, data, splits, chosen))
    broken, *_ = prepared(chosen)
    for _, epoch in zip(range(done), pretrain(broken, data, splits, chosen), strict=False):
        state = copy.deepcopy(epoch.pretraining.state())
    resumed, *_ = prepared(chosen)
    rest = list(pretrain(resumed, data, splits, chosen, state))
    assert [line(e) for e in rest] == [line(e) for e in straight[done:]]
    assert_equal(weights(resumed), weights(model))


def test_torchs_own_generator_is_left_alone():
    before = torch.get_rng_state()
    list(pretrain(*prepared(config(1)), config(1)))
    assert torch.equal(torch.get_rng_state(), before)


# ---------------------------------------------------------------------------------------------- frozen


def test_what_comes_after_the_encoders_says_the_same_of_encodings():
    model, data, _ = prepared(config())
    model.eval()
    inputs = {m: torch.from_numpy(np.array(data.contents[m][:5])) for m in data.modalities}
    features = model.features(inputs)
    head = without_encoders(model).eval()
    for name, said in head.classify(model.encode(features)).items():
        torch.testing.assert_close(said, model(inputs)[name])


def test_encodings_of_contents_are_those_of_the_model():
    model, data, _ = prepared(config())
    features = features_of(model, data)
    found = encodings_of(model, features, size=7)
    for m in data.modalities:
        some = model.features({m: torch.from_numpy(data.contents[m][:9])})
        torch.testing.assert_close(found[m].values[:9], model.eval().encode(some)[m])
        assert len(found[m].values) == len(data.contents[m])


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_encoders_stay_and_others_move(freeze: bool):
    chosen = config(freeze=freeze)
    model, data, splits = prepared(chosen)
    list(pretrain(model, data, splits, chosen))
    before = weights(model.encoders)
    last = [e.model for e in fit(model, data, splits, chosen) if e.model is not None][-1]
    after = weights(last.encoders)
    same = [torch.equal(after[n], before[n]) for n in before if "num_batches" not in n]
    assert all(same) if freeze else not any(same)
    fresh = weights(build(MODEL, data.spec).heads)
    assert not all(torch.equal(t, fresh[n]) for n, t in weights(last.heads).items())


def test_the_model_of_an_epoch_is_whole_and_scores_what_was_said():
    chosen = config()
    model, data, splits = prepared(chosen)
    list(pretrain(model, data, splits, chosen))
    for epoch in fit(model, data, splits, chosen):
        if epoch.model is not None:
            rows = table(data, splits.valid, features_of(epoch.model, data))
            assert validate(epoch.model, rows) == pytest.approx(dict(epoch.scores))


def test_joining_takes_heads_fusion_and_temperatures():
    model, *_ = prepared(config())
    other, *_ = prepared(config(seed=1))
    other.temperature.copy_(torch.tensor([2.0, 3.0, 4.0]))
    joined = with_encoders(model, without_encoders(other))
    assert_equal(weights(joined.heads), weights(other.heads))
    assert_equal(weights(joined.fusion), weights(other.fusion))
    assert_equal(weights(joined.encoders), weights(model.encoders))
    assert joined.temperature.tolist() == [1.0, 1.0, 1.0], (
        "a classifier of encodings has temperatures of its own"
    )


# ------------------------------------------------------------------------------------------ a run of both


def whole_run(
    folder: Path, stop: int | None = None, resume: bool = False
) -> tuple[Run, list[Reconstruction | Epoch]]:
    """A run, left after `stop` epochs as a kill would leave it."""
    chosen = config()
    run, data, splits = begin(tiny_data(), "tiny", chosen, "report", folder, resume=resume)
    epochs = []
    for epoch in train(run, data, splits):
        epochs.append(epoch)
        if len(epochs) == stop:
            break
    return run, epochs


def test_a_run_is_autoencoders_first_and_then_the_rest(tmp_path: Path):
    run, epochs = whole_run(tmp_path / "run")
    assert [type(e) for e in epochs] == [Reconstruction] * 4 + [Epoch] * 3
    assert run.finished
    lines = run.pretraining_epochs()
    assert [(each["modality"], each["number"]) for each in lines] == [
        ("image", 1), ("image", 2), ("audio", 1), ("audio", 2)
    ]  # fmt: skip
    assert [each["total"] for each in lines] == [e.total for e in epochs if isinstance(e, Reconstruction)]
    assert len(run.epochs()) == 3


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5, 6])
def test_a_killed_run_reaches_the_very_same_weights(tmp_path: Path, stop: int):
    """Wherever it was killed, in either stage or between them."""
    straight, _ = whole_run(tmp_path / "straight")
    whole_run(tmp_path / "killed", stop=stop)
    resumed, rest = whole_run(tmp_path / "killed", resume=True)
    assert len(rest) == 7 - stop
    assert_equal(weights(resumed.model()), weights(straight.model()))
    assert resumed.finished
    drop = lambda lines: [{k: v for k, v in each.items() if k != "seconds"} for each in lines]  # noqa: E731
    assert drop(resumed.pretraining_epochs()) == drop(straight.pretraining_epochs())
    assert drop(resumed.epochs()) == drop(straight.epochs())


def test_a_run_keeps_its_autoencoders(tmp_path: Path):
    run, epochs = whole_run(tmp_path / "run")
    trained = [e for e in epochs if isinstance(e, Reconstruction)][-1].pretraining.autoencoders
    kept = run.autoencoders()
    features = features_of(run.model(), tiny_data())["audio"].values[:4]
    for one, other in zip(
        reconstruct(kept["audio"], features), reconstruct(trained["audio"], features), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert_equal(weights(kept["image"].encoder), weights(run.model().encoders["image"]))


def test_a_run_without_autoencoders_says_so(tmp_path: Path):
    run, *_ = begin(tiny_data(), "tiny", tiny_config(1), "small", tmp_path / "run")
    with pytest.raises(InputError, match="has no autoencoders"):
        run.autoencoders()


def test_stopping_an_autoencoder_ends_the_run_and_keeps_what_was_finished(tmp_path: Path):
    chosen = config()
    run, data, splits = begin(tiny_data(), "tiny", chosen, "report", tmp_path / "run")
    batches = 0

    def stop(given: Iterable[Batch]) -> Iterator[Batch]:
        nonlocal batches
        for batch in given:
            if batches >= len(splits.train) // 8 + 1:
                return
            batches += 1
            yield batch

    epochs = list(train(run, data, splits, stop))
    assert [e.whole for e in epochs] == [True, False]
    assert not (run.folder / "epochs.jsonl").exists()
    resumed, data, splits = begin(tiny_data(), "tiny", chosen, "report", tmp_path / "run", resume=True)
    list(train(resumed, data, splits))
    straight, _ = whole_run(tmp_path / "straight")
    assert_equal(weights(resumed.model()), weights(straight.model()))
    assert [each["whole"] for each in resumed.pretraining_epochs()] == [True] * 4


def test_a_run_of_one_modality_has_the_rows_of_the_run_of_all(tmp_path: Path):
    chosen = config(modalities=("audio",))
    run, data, splits = begin(tiny_data(), "tiny", chosen, "report", tmp_path / "one")
    other, _, same = begin(tiny_data(), "tiny", config(), "report", tmp_path / "all")
    assert (data.modalities, run.spec.modalities) == (("audio",), ("audio",))
    assert run.digest == other.digest
    assert all(np.array_equal(splits[name], same[name]) for name in ("train", "valid", "test"))
    list(train(run, data, splits))
    assert run.model().conditions == ("audio",)
