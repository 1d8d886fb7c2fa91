"""Normalisers are fitted on the contents of the training rows and on nothing else, and nothing goes round a
front end: features of whole data sets are what it makes of them, each once."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seesay.config import EncoderConfig, FeaturesConfig, ModelConfig
from seesay.data.batches import table
from seesay.data.dataset import Dataset
from seesay.data.ragged import Ragged
from seesay.data.splits import stored
from seesay.learn.fit import epoch_batches, fit, fresh
from seesay.measure.evaluate import evaluate
from seesay.model import features
from seesay.model.classifier import Classifier, build
from seesay.model.features import RawFeatures, features_of, fit_normalisers
from seesay.signal.front_ends import Normaliser, features_of_contents
from seesay.spec import ContentSpec, MatrixSpec, PictureSpec, Spec, VectorSpec, WaveformSpec
from tiny import AUDIO, FEATURES, STILL, tiny_config, tiny_data, tiny_model, tiny_spec

SMALL = EncoderConfig(width=4, layers=2)


def matrices(**changes: Any) -> Dataset:
    """Feature matrices of known mean and scale: content i is i everywhere."""
    contents = np.broadcast_to(np.arange(4.0)[:, None, None], (4, 4, 3)).astype(np.float32)
    rows = np.array([[0], [0], [0], [1], [2], [3]], np.int32)
    spec = Spec(("a", "b"), {"audio": MatrixSpec(4, 3)})
    parts: dict[str, Any] = {"label": np.zeros(6, np.int64), "split": np.zeros(6, np.int8)} | changes
    return Dataset(spec, {"audio": contents}, rows, **parts)


def fitted(data: Dataset, rows: np.ndarray, model: Classifier | None = None) -> Classifier:
    """A model whose normalisers are fitted to these rows."""
    named = {"image": SMALL, "audio": SMALL}
    config = tiny_model() if isinstance(data.spec.contents.get("audio"), WaveformSpec) else None
    config = config or ModelConfig(dim=8, hidden=8, named=named)
    model = model or build(config, data.spec)
    fit_normalisers(model, data, rows, RawFeatures(data))
    return model


def normaliser(model: Classifier, modality: str = "audio") -> Normaliser:
    step = model.front_ends[modality].get_submodule("normaliser")
    assert isinstance(step, Normaliser)
    return step


def numbers(model: Classifier) -> tuple[list[float], list[float]]:
    """Mean and scale by column."""
    return normaliser(model).mean.tolist(), normaliser(model).scale.tolist()


def finished(model: Classifier, data: Dataset, raw: RawFeatures | None = None) -> dict[str, Tensor]:
    """The features of all contents, as an encoder is given them."""
    return {m: each.finish(each.values) for m, each in features_of(model, data, raw).items()}


# --------------------------------------------------------------------------------------- which contents count


def test_features_of_the_training_clips_have_mean_0_and_scale_1():
    data = tiny_data()
    rows = data.rows_of("train")
    used = np.unique(data.pointers("audio")[rows])
    made = finished(fitted(data, rows), data)["audio"][used].numpy()
    np.testing.assert_allclose(made.mean((0, 1)), 0, atol=1e-4)
    np.testing.assert_allclose(made.std((0, 1)), 1, atol=1e-4)


def test_a_repeated_recording_counts_once():
    mean, scale = numbers(fitted(matrices(), np.arange(5)))
    assert mean == pytest.approx([1, 1, 1])
    assert scale == pytest.approx([np.std([0, 1, 2])] * 3)


def test_rows_that_do_not_train_say_nothing():
    data = tiny_data()
    train = data.rows_of("train")
    heard = np.unique(data.pointers("audio")[train])
    others = np.setdiff1d(np.arange(len(data.contents["audio"])), heard)
    changed = np.array(data.contents["audio"])
    changed[others] = 32_767
    louder = data.replace(contents={**data.contents, "audio": changed})
    assert numbers(fitted(louder, train)) == numbers(fitted(data, train))


def test_what_was_fitted_before_is_forgotten():
    data = tiny_data()
    once = numbers(fitted(data, data.rows_of("train")))
    model = fitted(data, data.rows_of("test"))
    assert numbers(model) != once
    assert numbers(fitted(data, data.rows_of("train"), model)) == once


def test_a_missing_recording_is_not_the_last_one():
    """The pointer -1 must not reach into the table from its end."""
    data = matrices()
    rows = data.rows.copy()
    rows[3] = -1
    mean, _ = numbers(fitted(data.replace(rows=rows), np.arange(5)))
    assert mean == pytest.approx([1, 1, 1])  # of contents 0 and 2; with the last it would be 5/3


def test_rows_without_recordings_take_the_normaliser_of_all():
    data = matrices()
    rows = data.rows.copy()
    rows[:2] = -1
    silent = data.replace(rows=rows)
    found = numbers(fitted(silent, np.arange(2)))
    assert found == numbers(fitted(silent, np.arange(6)))
    assert found[0] == pytest.approx([1.5] * 3)


def test_where_all_recordings_are_missing_the_numbers_stay():
    data = matrices()
    silent = data.replace(rows=np.full_like(data.rows, -1))
    assert numbers(fitted(silent, np.arange(6))) == ([0] * 3, [1] * 3)
    normalisers = fitted(data, np.arange(6))
    before = numbers(normalisers)
    assert numbers(fitted(silent, np.arange(6), normalisers)) == before


def test_a_column_that_does_not_vary_becomes_zero():
    data = matrices()
    contents = np.array(data.contents["audio"])
    contents[..., 1] = 7
    model = fitted(data.replace(contents={"audio": contents}), np.arange(6))
    assert numbers(model)[0][1] == 7
    assert numbers(model)[1][1] == 1
    assert not finished(model, data.replace(contents={"audio": contents}))["audio"][..., 1].any()


def test_vectors_are_normalised_by_their_numbers():
    vectors = np.array([[0, 10], [2, 10], [4, 10]], np.float32)
    spec = Spec(("a", "b"), {"touch": VectorSpec(2)})
    rows = np.arange(3, dtype=np.int32)[:, None]
    data = Dataset(spec, {"touch": vectors}, rows, np.zeros(3, np.int64), np.zeros(3, np.int8))
    mlp = EncoderConfig(kind="mlp", width=4, layers=1)
    model = build(ModelConfig(dim=8, hidden=8, named={"touch": mlp}), spec)
    fit_normalisers(model, data, np.array([0, 2]), RawFeatures(data))
    assert normaliser(model, "touch").mean.tolist() == [2, 10]
    assert normaliser(model, "touch").scale.tolist() == [2, 1]
    assert finished(model, data)["touch"].tolist() == [[-1, 0], [0, 0], [1, 0]]


def test_pictures_have_none():
    data = tiny_data(modalities=["image"])
    model = build(tiny_model(), data.spec)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fit_normalisers(model, data, data.rows_of("train"), RawFeatures(data))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(isinstance(module, Normaliser) for module in model.modules())


def test_data_may_lack_a_modality_of_the_model_and_have_others():
    """One that the data lack keeps its numbers; one that the model does not know is not looked at."""
    data = tiny_data()
    sounds = build(tiny_model(), tiny_spec(["audio"]))
    fit_normalisers(sounds, data, data.rows_of("train"), RawFeatures(data))
    assert numbers(sounds) == numbers(fitted(data, data.rows_of("train")))
    assert set(features_of(sounds, data)) == {"audio"}


# ------------------------------------------------------------------------------------- features are made once


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many contents front ends were given at each call, by way of raw features."""
    counts = []
    make = features._extract

    def counted(steps: nn.Module, contents: Any, device: torch.device) -> Tensor:
        counts.append(len(contents))
        return make(steps, contents, device)

    monkeypatch.setattr(features, "_extract", counted)
    return counts


def test_features_are_made_once_and_shared_by_models_of_the_same_settings(made: list[int]):
    data = tiny_data()
    raw, train = RawFeatures(data), data.rows_of("train")
    one = fresh(tiny_config(), data, train, raw=raw)
    other = fresh(dataclasses.replace(tiny_config(), seed=7), data, data.rows_of("test"), raw=raw)
    first, second = features_of(one, data, raw), features_of(other, data, raw)
    assert made == [len(data.contents["audio"])], "pictures stay bytes and need no features"
    assert numbers(one) != numbers(other)
    for model, shared in ((one, first), (other, second)):
        alone = features_of(model, data)
        torch.testing.assert_close(shared["audio"].values, alone["audio"].values, rtol=0, atol=0)


def test_other_settings_have_other_features(made: list[int]):
    data = tiny_data()
    raw = RawFeatures(data)
    log_mel = dataclasses.replace(FEATURES, kind="log-mel", coefficients=None)
    models = [
        build(tiny_model(audio=dataclasses.replace(SMALL, features=each)), data.spec)
        for each in (FEATURES, log_mel, FEATURES)
    ]
    found = [features_of(model, data, raw)["audio"].values for model in models]
    assert len(made) == 2
    assert [each.shape[2] for each in found] == [7, 12, 7]


def test_front_ends_that_differ_in_nothing_but_their_modality_are_told_apart(made: list[int]):
    sound = np.random.default_rng(0).integers(-99, 99, (2, 2, AUDIO.samples), np.int16)
    spec = Spec(("a", "b"), {"left": AUDIO, "right": AUDIO})
    contents = {"left": sound[0], "right": sound[1]}
    rows, zeros = np.array([[0, 0], [1, 1]], np.int32), np.zeros(2, np.int64)
    data = Dataset(spec, contents, rows, zeros, zeros.astype(np.int8))
    heard = dataclasses.replace(SMALL, features=FEATURES)
    model = build(ModelConfig(dim=8, hidden=8, named={"left": heard, "right": heard}), spec)
    found = finished(model, data, RawFeatures(data))
    assert made == [2, 2]
    for modality, each in contents.items():
        expected = model.front_ends[modality](torch.from_numpy(each))
        torch.testing.assert_close(found[modality], expected)


def test_raw_features_are_not_normalised():
    data = tiny_data()
    raw = RawFeatures(data)
    model = fresh(tiny_config(), data, data.rows_of("train"), raw=raw)
    plain = build(tiny_model(), data.spec)
    kept = raw.of("audio", model.front_ends["audio"], torch.device("cpu"))
    torch.testing.assert_close(kept, finished(plain, data)["audio"])
    torch.testing.assert_close(normaliser(model)(kept), finished(model, data)["audio"])


def test_tables_of_contents_are_done_in_parts_and_may_be_memory_mapped(tmp_path: Path):
    tiny_data().save(tmp_path / "data")
    data = Dataset.open(tmp_path / "data")
    assert isinstance(data.contents["audio"], np.memmap)
    assert len(data.contents["audio"]) % features.FRONT_END_BATCH, "the last part is smaller"
    model = fitted(data, data.rows_of("train"))
    for modality, found in finished(model, data).items():
        assert found.dtype == torch.float32
        whole = torch.from_numpy(np.array(data.contents[modality]))
        torch.testing.assert_close(found, model.front_ends[modality](whole), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["mfcc", "log-mel"])
def test_an_empty_table_has_no_features(kind: Any):
    data = tiny_data(modalities=["audio"])
    nothing = np.zeros((0, AUDIO.samples), np.int16)
    data = data.replace(contents={"audio": nothing}, rows=np.full_like(data.rows, -1), groups={})
    heard = FeaturesConfig(kind=kind, filters=12)
    heard = dataclasses.replace(heard, coefficients=6) if kind == "mfcc" else heard
    model = build(tiny_model(audio=dataclasses.replace(SMALL, features=heard)), data.spec)
    columns = len(normaliser(model).mean)
    assert features_of(model, data)["audio"].values.shape == (0, 9, columns)


# ------------------------------------------------------------------------------------------- of any size


def ragged() -> Dataset:
    """The tiny data with a photo and a recording of its own size for each content."""
    data, random = tiny_data(), np.random.default_rng(0)
    sides = random.integers(3, 20, (len(data.contents["image"]), 2))
    photos = [random.integers(0, 256, (1, *each), np.uint8) for each in sides]
    recordings = [random.integers(-9_999, 9_999, n, np.int16) for n in range(500, 1_700, 50)]
    return data.replace(contents={"image": Ragged.of(photos), "audio": Ragged.of(recordings)})


def test_contents_of_any_size_have_the_features_that_each_has_alone():
    data = ragged()
    model = fitted(data, data.rows_of("train"))
    for modality, found in finished(model, data).items():
        front_end = model.front_ends[modality]
        assert len(found) == len(data.contents[modality])
        for row, content in zip(found, data.contents[modality], strict=True):
            alone = front_end(torch.from_numpy(np.array(content))[None])[0]
            torch.testing.assert_close(row, alone, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(
            features_of_contents(front_end, data.contents[modality][[5, 3]]), found[[5, 3]]
        )


def test_photos_of_any_size_stay_bytes():
    data = ragged()
    images = features_of(fitted(data, data.rows_of("train")), data)["image"]
    assert (images.values.dtype, images.values.shape[1:]) == (torch.uint8, (1, 8, 8))


# --------------------------------------------------------------------------- nothing goes round a front end


class Doubled(nn.Module):
    """A front end that doubles what another makes."""

    def __init__(self, front_end: nn.Module) -> None:
        super().__init__()
        self.front_end = front_end

    def forward(self, contents: Tensor) -> Tensor:
        return 2 * self.front_end(contents)


class Twice(nn.Module):
    """A step."""

    def forward(self, values: Tensor) -> Tensor:
        return 2 * values


REPLACED: dict[str, Callable[[nn.Module], nn.Module]] = {
    "another module": Doubled,
    "a step behind": lambda front_end: nn.Sequential(*front_end.children(), Twice()),
    "a whole step behind": lambda front_end: nn.Sequential(front_end, Twice()),
    "a step before": lambda front_end: nn.Sequential(Twice(), *front_end.children()),
}
"""Ways to make another front end of one."""

SPECS: dict[str, tuple[ContentSpec, Any]] = {
    "bytes": (tiny_spec()["image"], np.uint8),
    "floats": (PictureSpec(reader=None, height=8, width=8, standardised=True), np.float32),
}


@pytest.mark.parametrize("modality", ["image", "audio"])
@pytest.mark.parametrize("way", REPLACED)
@pytest.mark.parametrize("pictures", SPECS)
def test_a_front_end_that_is_replaced_changes_training_and_prediction_alike(
    modality: str, way: str, pictures: str
):
    """Both are given what the new one makes, also of pictures that are kept as bytes, and of views of changed
    recordings."""
    spec, dtype = SPECS[pictures]
    data = tiny_data()
    contents = {**data.contents, "image": np.minimum(np.asarray(data.contents["image"]), 100).astype(dtype)}
    data = data.replace(
        spec=Spec(data.spec.classes, {**data.spec.contents, "image": spec}), contents=contents
    )
    config, train = tiny_config(augment=STILL), data.rows_of("train")
    model = fresh(config, data, train)
    before = finished(model, data)
    model.front_ends[modality] = REPLACED[way](model.front_ends[modality])
    inputs = {m: torch.from_numpy(data.contents[m]) for m in data.modalities}
    predicted = model.features(inputs)
    trained = finished(model, data)
    for m in data.modalities:
        torch.testing.assert_close(trained[m], predicted[m], rtol=1e-4, atol=1e-4)
    if way != "a step before":
        torch.testing.assert_close(trained[modality], 2 * before[modality], rtol=1e-4, atol=1e-4)
    assert (trained[modality] - before[modality]).abs().max() > 0.1
    assert config.optim.batch
    rows = table(data, train, features_of(model, data))
    for batch in epoch_batches(rows, data, RawFeatures(data), config, 1, model):
        for m in data.modalities:
            expected = predicted[m][data.pointers(m)[batch.rows]]
            torch.testing.assert_close(batch.inputs[m], expected, rtol=1e-4, atol=1e-4)


class Blind(nn.Module):
    """A step that makes all features 0."""

    def forward(self, values: Tensor) -> Tensor:
        return 0 * values


def test_a_model_that_is_made_blind_learns_nothing_and_says_the_same_of_all_pictures():
    """Of bytes, too, which training keeps as they are until a batch is wanted."""
    data = tiny_data(modalities=["image"])
    train, test = data.rows_of("train"), data.rows_of("test")
    config = tiny_config(epochs=2, augment=STILL)
    model = fresh(config, data, train)
    model.front_ends["image"] = nn.Sequential(*model.front_ends["image"].children(), Blind())
    *_, last = fit(model, data, stored(data), config)
    assert last.model is not None
    [said] = evaluate(last.model, data, test).probabilities.values()
    np.testing.assert_allclose(said, said[:1].repeat(len(test), 0), atol=1e-6)
