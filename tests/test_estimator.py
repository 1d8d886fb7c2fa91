"""SeesayClassifier on rows of pictures and recordings: what it promises, what scikit-learn does with it."""

import copy
import json
import pickle
import pickletools
from typing import Any, NamedTuple

import joblib
import numpy as np
import pytest
import torch
from safetensors.torch import load
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from seesay import InputError, Predictor, Rows, SeesayClassifier
from seesay.errors import ConfigError
from tiny import AUDIO, CLASSES, picture, recording

SETTINGS = {
    "model.dim": 8,
    "model.image.width": 4,
    "model.image.layers": 2,
    "model.audio.width": 4,
    "model.audio.layers": 2,
    "model.audio.features.filters": 12,
    "model.audio.features.coefficients": 6,
    "optim.batch": 8,
    "optim.lr": 2e-2,
    "optim.precision": "float32",
    "split.valid": 0.2,
}


def tiny(**changes: Any) -> SeesayClassifier:
    """Learns these rows in half a second."""
    return SeesayClassifier("small", config=SETTINGS).set_params(**{"epochs": 4, **changes})


class Tones(NamedTuple):
    X: Rows
    y: np.ndarray
    speaker: np.ndarray


def tones(each: int = 16, missing: bool = False) -> Tones:
    """Rows of a stripe and a tone each, of three classes and four speakers; some lack one of them."""
    random = np.random.default_rng(0)
    label = np.tile(np.arange(3), each)
    pictures: list[Any] = [picture(k, random) for k in label]
    recordings: list[Any] = [(recording(k, random), AUDIO.rate) for k in label]
    if missing:
        pictures[::5] = [None] * len(pictures[::5])
        recordings[2::7] = [None] * len(recordings[2::7])
    speaker = np.repeat(["ann", "bob", "cleo", "dan"], 3 * each // 4)
    return Tones(Rows(image=pictures, audio=recordings), np.array(CLASSES)[label], speaker)


@pytest.fixture(scope="module")
def data() -> Tones:
    return tones(missing=True)


@pytest.fixture(scope="module")
def fitted(data: Tones) -> SeesayClassifier:
    return tiny(epochs=8).fit(data.X, data.y, groups=data.speaker)


# ------------------------------------------------------------------------------------------------ predictions


def test_it_learns_and_knows_its_classes(fitted: SeesayClassifier, data: Tones):
    assert fitted.classes_.tolist() == ["high", "low", "middle"]
    assert fitted.modalities_ == ("image", "audio")
    assert fitted.score(data.X, data.y) > 0.9
    assert not hasattr(fitted, "n_features_in_")
    assert not hasattr(fitted, "partial_fit")


def test_probabilities_and_log_odds_agree_with_the_labels(fitted: SeesayClassifier, data: Tones):
    p, odds = fitted.predict_proba(data.X), fitted.decision_function(data.X)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), p, atol=1e-6)
    assert (fitted.classes_[p.argmax(1)] == fitted.predict(data.X)).all()


def test_a_dictionary_is_rows(fitted: SeesayClassifier, data: Tones):
    columns = {name: data.X[name] for name in data.X.modalities}
    assert (fitted.predict_proba(columns) == fitted.predict_proba(data.X)).all()
    again = clone(fitted).fit(columns, data.y, groups=data.speaker)
    assert (again.predict_proba(columns) == fitted.predict_proba(data.X)).all()


def test_a_row_is_predicted_by_what_it_has(fitted: SeesayClassifier, data: Tones):
    full = data.X[1]
    alone = fitted.predict_proba({"audio": [full["audio"]]})
    masked = fitted.predict_proba(Rows(image=[None, full["image"]], audio=[full["audio"], full["audio"]]))
    np.testing.assert_allclose(masked[0], alone[0], atol=1e-6)
    assert not np.allclose(masked[1], alone[0], atol=1e-3)


def test_a_row_with_nothing_gets_the_fractions_of_the_classes():
    X, y, _ = tones(each=4)
    y[:2] = "high"
    fitted = tiny(epochs=1, config={**SETTINGS, "split.valid": 0.0, "split.folds": 0}).fit(X, y)
    for nothing in (Rows(image=[None], audio=[None]), {"audio": [""]}):
        found = fitted.predict_proba(nothing)[0]
        np.testing.assert_allclose(found, [np.mean(y == name) for name in fitted.classes_], atol=1e-6)


def test_each_row_is_predicted_by_itself(fitted: SeesayClassifier, data: Tones):
    whole = fitted.predict_proba(data.X)
    single = np.concatenate([fitted.predict_proba(data.X[[i]]) for i in range(len(data.X))])
    np.testing.assert_allclose(single, whole, atol=1e-6)


def test_the_model_is_one_that_seesay_knows(fitted: SeesayClassifier, data: Tones):
    row, predictor = data.X[1], Predictor(fitted.model_, fitted.spec_)
    said = predictor.predict(image=row["image"], audio=row["audio"])
    assert said.label == fitted.predict(data.X[[1]])[0]
    assert set(said.opinions) == {"image", "audio"}


@pytest.mark.parametrize("labels", [[7, 3, 5], [False, True, True], [1.0, 0.0, 2.0]], ids=str)
def test_labels_may_be_anything_that_can_be_sorted(labels: list[Any]):
    X, y, _ = tones(each=4)
    y = np.array([labels[CLASSES.index(name)] for name in y])
    fitted = tiny(epochs=1).fit(X, y)
    assert fitted.classes_.tolist() == sorted(set(labels))
    assert fitted.predict(X).dtype == y.dtype


def test_a_column_that_was_empty_in_training_is_ignored(data: Tones):
    X = data.X[np.array([cell is not None for cell in data.X["image"]])]
    y = data.y[X.numbers]
    only = Rows(image=X["image"], audio=[None] * len(X))
    fitted = tiny(epochs=1, config={"split.valid": 0.2}).fit(only, y)
    assert fitted.model_.modalities == ("image",)
    assert (fitted.predict_proba(X) == fitted.predict_proba(only)).all()


# ---------------------------------------------------------------------------------------- the same, each time


def test_one_random_state_is_one_model_whatever_the_order_of_the_rows(data: Tones):
    order = np.random.default_rng(1).permutation(len(data.X))
    one = tiny(epochs=2).fit(data.X, data.y).predict_proba(data.X)
    two = tiny(epochs=2).fit(data.X[order], data.y[order]).predict_proba(data.X)
    other = tiny(epochs=2, random_state=1).fit(data.X, data.y).predict_proba(data.X)
    assert (one == two).all()
    assert (one != other).any()


def test_other_random_states_are_numpys(data: Tones):
    one = tiny(epochs=1, random_state=np.random.RandomState(3)).fit(data.X, data.y)
    two = tiny(epochs=1, random_state=np.random.RandomState(3)).fit(data.X, data.y)
    assert one.config_.seed == two.config_.seed
    assert tiny(epochs=1, random_state=np.int64(5)).fit(data.X, data.y).config_.seed == 5


def test_nothing_global_is_touched(data: Tones):
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    tiny(epochs=1).fit(data.X, data.y).predict(data.X)
    assert (torch.get_rng_state() == states[0]).all()
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002
    assert torch.get_num_threads() == states[2]


# ---------------------------------------------------------------------------------------------------- weights


def test_a_row_of_weight_k_is_a_row_given_k_times(data: Tones):
    counts = np.random.default_rng(0).integers(0, 4, len(data.X))
    repeated = np.repeat(np.arange(len(data.X)), counts)
    one = tiny(epochs=2).fit(data.X, data.y, sample_weight=counts)
    two = tiny(epochs=2).fit(data.X[repeated], data.y[repeated])
    assert (one.predict_proba(data.X) == two.predict_proba(data.X)).all()


def test_weights_move_the_predictions(data: Tones):
    weight = np.where(data.y == "low", 4.0, 1.0)
    fitted = tiny(epochs=2).fit(data.X, data.y, sample_weight=weight)
    nothing = fitted.predict_proba({"image": [None]})[0]
    np.testing.assert_allclose(nothing, np.array([1, 4, 1]) / 6, atol=1e-6)
    before = tiny(epochs=2).fit(data.X, data.y).predict_proba(data.X)
    assert fitted.predict_proba(data.X)[:, 1].mean() > before[:, 1].mean() + 0.05


def test_equal_weights_change_nothing(data: Tones):
    one = tiny(epochs=1).fit(data.X, data.y, sample_weight=np.full(len(data.y), 2.5))
    assert (one.predict_proba(data.X) == tiny(epochs=1).fit(data.X, data.y).predict_proba(data.X)).all()


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_impossible_weights_are_refused(data: Tones, weight: float):
    with pytest.raises(ValueError, match="sample_weight"):
        tiny().fit(data.X, data.y, sample_weight=np.full(len(data.y), weight))


# ----------------------------------------------------------------------------- what scikit-learn does with it


def test_cross_validation(data: Tones):
    scores = cross_val_score(tiny(), data.X, data.y, cv=2, error_score="raise")
    assert (scores > 0.6).all()


def test_cross_validation_by_groups_that_training_keeps_together_too(data: Tones):
    cv = GroupKFold(2)
    found = cross_validate(
        tiny(epochs=1),
        data.X,
        data.y,
        cv=cv,
        groups=data.speaker,
        params={"groups": data.speaker},
        return_estimator=True,
        error_score="raise",
    )
    for fold in found["estimator"]:
        assert not any("Speakers not known" in note for note in fold.notes_)
    without = tiny(epochs=1).fit(data.X, data.y)
    assert any(note.endswith("Give them to fit as groups.") for note in without.notes_)


def test_groups_are_routed(data: Tones):
    with config_context(enable_metadata_routing=True):
        model = (
            tiny(epochs=1)
            .set_fit_request(groups=True, sample_weight=True)
            .set_score_request(sample_weight=False)
        )
        params = {"groups": data.speaker, "sample_weight": np.ones(len(data.y))}
        cross_validate(model, data.X, data.y, cv=GroupKFold(2), params=params, error_score="raise")


def test_grids_over_recipes_and_settings(data: Tones):
    grid = {"config": [SETTINGS, {**SETTINGS, "model.fusion": "concat"}], "recipe": ["small"]}
    search = GridSearchCV(tiny(epochs=2), grid, cv=GroupKFold(2), error_score="raise")
    search.fit(data.X, data.y, groups=data.speaker)
    assert search.best_estimator_.config_.model.fusion in ("posterior-sum", "concat")
    assert search.score(data.X, data.y) > 0.4


def test_numbers_drawn_by_numpy_are_numbers(data: Tones):
    choices = {"epochs": np.arange(1, 3), "random_state": np.arange(2)}
    search = RandomizedSearchCV(tiny(), choices, n_iter=1, cv=2, random_state=0, error_score="raise")
    assert search.fit(data.X, data.y).best_estimator_.config_.optim.epochs in (1, 2)


def test_a_pipeline(data: Tones):
    without_pictures = FunctionTransformer(lambda X: X[:, [1]])
    model = make_pipeline(without_pictures, tiny(config={**SETTINGS, "optim.lr": 1e-2}))
    with pytest.raises(ConfigError, match=r"model\.image\.width"):
        model.fit(data.X, data.y)
    heard = {name: value for name, value in SETTINGS.items() if "image" not in name}
    model.set_params(seesayclassifier__config=heard).fit(data.X, data.y)
    assert model[-1].model_.modalities == ("audio",)
    assert model.score(data.X, data.y) > 0.5


def test_calibration(data: Tones):
    model = CalibratedClassifierCV(tiny(epochs=2), cv=2).fit(data.X, data.y)
    assert model.predict_proba(data.X).shape == (len(data.X), 3)


def test_importance_of_a_modality(data: Tones):
    """scikit-learn permutes columns, which are the modalities."""
    X, y, _ = tones(each=8)
    cheat = Rows(image=X["image"], audio=[X["audio"][0]] * len(X))
    model = tiny(epochs=8).fit(cheat, y)
    found = permutation_importance(model, cheat, y, n_repeats=3, random_state=0)
    assert dict(zip(X.modalities, found.importances_mean > 0.2, strict=True)) == {
        "image": True,
        "audio": False,
    }
    assert found.importances_mean[1] == 0


def test_clones_are_not_fitted_and_have_the_same_parameters(fitted: SeesayClassifier, data: Tones):
    other = clone(fitted)
    assert other.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        other.predict(data.X)


def test_another_fit_forgets_the_first(data: Tones):
    model = tiny(epochs=1, config={"split.valid": 0.2})
    model.fit(np.eye(6), [0, 1] * 3)
    assert (model.n_features_in_, model.modalities_) == (6, ("vector",))
    model.fit(data.X, data.y)
    assert not hasattr(model, "n_features_in_")
    with pytest.raises(InputError, match="trained on Rows of image, audio, got ndarray"):
        model.predict(np.eye(6))


def test_a_failed_fit_leaves_the_model_that_was_there(data: Tones):
    model = tiny(epochs=1).fit(data.X, data.y)
    before = model.predict_proba(data.X)
    with pytest.raises(InputError):
        model.fit(Rows(image=["no.png"] * 4), [0, 1, 0, 1])
    assert (model.predict_proba(data.X) == before).all()


def test_a_data_frame_of_paths_is_rows(data: Tones):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({name: list(data.X[name]) for name in data.X.modalities})
    model = tiny(epochs=1).fit(frame, data.y)
    assert model.modalities_ == ("image", "audio")
    assert (model.predict_proba(frame) == tiny(epochs=1).fit(data.X, data.y).predict_proba(data.X)).all()
    permutation_importance(model, frame, data.y, n_repeats=1)


# ---------------------------------------------------------------------------------------------------- pickles


def test_a_pickle_predicts_the_same_to_the_last_bit(fitted: SeesayClassifier, data: Tones, tmp_path: Any):
    joblib.dump(fitted, tmp_path / "model.joblib")
    for other in (
        joblib.load(tmp_path / "model.joblib"),
        pickle.loads(pickle.dumps(fitted)),
        copy.deepcopy(fitted),
    ):
        assert (other.predict_proba(data.X) == fitted.predict_proba(data.X)).all()
        assert other.get_params() == fitted.get_params()
        assert other.config_ == fitted.config_
        assert other.notes_ == fitted.notes_


def test_a_pickle_holds_a_safetensors_file_and_json(fitted: SeesayClassifier):
    state = fitted.__getstate__()
    assert load(state["model_"]).keys() == fitted.model_.state_dict().keys()
    assert json.loads(state["config_"])["optim"]["epochs"] == 8
    assert json.loads(state["spec_"])["classes"] == ["high", "low", "middle"]
    operations = list(pickletools.genops(pickle.dumps(fitted)))
    words = {str(argument).split(".")[0] for _, argument, _ in operations if isinstance(argument, str)}
    assert words.isdisjoint({"torch", "collections"})
    assert {"seesay", "numpy"} <= words


def test_what_is_not_fitted_can_be_pickled():
    assert pickle.loads(pickle.dumps(tiny())).get_params() == tiny().get_params()


# -------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"recipe": "smal"}, "no recipe 'smal'. Did you mean 'small'"),
        ({"recipe": None}, "no recipe 'None'"),
        (
            {"config": {"model.fusio": "gated"}},
            "'model.fusio', which is not a setting. Did you mean 'model.fusion'",
        ),
        ({"config": {"model.fusion": "gate"}}, "gated"),
        ({"config": {0: 1}}, "config has 0, which is not a setting"),
        ({"config": "model.fusion=gated"}, "config must be an object with fields"),
        ({"epochs": 0}, "epochs must be 1 or more"),
        ({"epochs": "8"}, "optim.epochs must be int"),
        ({"random_state": -1}, "seed must be 0"),
    ],
    ids=str,
)
def test_impossible_parameters_are_refused_by_fit(data: Tones, parameters: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        SeesayClassifier("small", **{k: v for k, v in parameters.items() if k != "recipe"}).set_params(
            **parameters
        ).fit(data.X, data.y)


def test_unsuitable_rows_and_labels_are_refused(data: Tones):
    with pytest.raises(InputError, match="two classes or more, got 1 class: 'low'"):
        tiny().fit(data.X[:3], ["low"] * 3)
    with pytest.raises(InputError, match="48 rows need as many labels, got 2"):
        tiny().fit(data.X, [0, 1])
    with pytest.raises(InputError, match="_none_ cannot be a class"):
        tiny().fit(data.X[:4], ["_none_", "a"] * 2)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        tiny().fit(data.X, data.y, groups=[1, 2])


@pytest.mark.parametrize(
    ("X", "got"),
    [
        (["a.png", "b.png"], "a list of files"),
        (np.array(["a.png", "b.png"]), "1"),
        (np.zeros((2, 3, 3)), "3"),
    ],
    ids=["list", "array", "pictures"],
)
def test_files_and_pictures_need_the_name_of_a_modality(X: Any, got: str):
    with pytest.raises(InputError, match=rf"got .*{got}.*Name what it is: seesay.Rows\(image=X\)"):
        tiny().fit(X, [0, 1])


def test_a_dictionary_cannot_be_sliced_and_the_error_says_so(data: Tones):
    columns = {name: data.X[name] for name in data.X.modalities}
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cross_val_score(tiny(), columns, data.y, cv=2)
    with pytest.raises(InputError, match=r"slices Rows, but no dictionary: give it seesay.Rows\(\*\*X\)"):
        tiny().fit(columns, data.y[:3])


def test_unknown_columns_are_refused_in_prediction(fitted: SeesayClassifier):
    with pytest.raises(InputError, match=r"trained on image, audio only, got touch\. Leave touch out"):
        fitted.predict({"touch": [None]})
