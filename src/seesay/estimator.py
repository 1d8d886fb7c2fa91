"""scikit-learn's door: a classifier that its cross-validation, searches and pipelines take for one of theirs.

Rows come as `Rows` of files and arrays by modality, some of them missing, or as a plain 2-D array of vectors.
Underneath is the training of `seesay train`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load, save
from scipy.sparse import issparse
from scipy.special import logsumexp, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import assert_all_finite, check_array, check_consistent_length, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from seesay.condition import Condition
from seesay.config import Config
from seesay.data.dataset import Dataset
from seesay.data.groups import speaker_notes, unknown_speakers
from seesay.data.merged import merged
from seesay.data.splits import Splits
from seesay.errors import ConfigError, InputError, nearest
from seesay.formats.column_contents import contents_like, learned_from
from seesay.formats.columns import NUMBERS, Rows
from seesay.learn.fit import Epoch
from seesay.learn.learn import learn, prepared
from seesay.model.classifier import Classifier, build
from seesay.plain import check_object, flat, from_dict, to_dict, to_json
from seesay.recipes import recipe as recipe_of
from seesay.registry import load_installed
from seesay.search.space import apply
from seesay.serve.encodings import Encodings
from seesay.spec import Spec

VECTOR = "vector"
"""The modality of a plain 2-D array: its network's settings are `model.vector.*`."""


class UnsuitableRows(InputError, ValueError):
    """Rows, labels or weights that nothing can be learned from. scikit-learn expects a ValueError."""


class SeesayClassifier(ClassifierMixin, BaseEstimator):
    """A classifier of pictures, recordings, embeddings or several of them, as scikit-learn has classifiers.

    X is `Rows` (or a dictionary or data frame of such columns), whose cells may be missing, or a 2-D array of
    numbers, a vector per row. The same rows, in any order, and the same `random_state` give the same model.
    Torch's global generator and number of threads stay as they are.

    Parameters
    ----------
    recipe : str, default="auto"
        The name of a recipe, as in `seesay train --recipe`.
    epochs : int, default=None
        Passes over the training rows. None: as many as the recipe has for so many rows.
    config : mapping, default=None
        Settings that differ from the recipe's, by their dotted names: `{"model.fusion": "gated"}`. They
        override the other parameters.
    random_state : int, RandomState or None, default=0
        The seed of initialisation, shuffling, dropout and augmentation. None: another one at each fit.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    modalities_ : tuple of str
        The columns of X. A 2-D array is one, `vector`.
    model_ : Classifier
        The trained model. `seesay.Predictor(model_, spec_)` gives opinions and how known an input is, too.
    spec_ : Spec
        What the model accepts.
    config_ : Config
        Every setting that it was trained with.
    notes_ : tuple of str
        What to know about the rows and the model, a sentence each.
    n_features_in_ : int
        The number of columns of a 2-D X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if X is a data frame.
    """

    def __init__(
        self, recipe: Any = "auto", *, epochs: Any = None, config: Any = None, random_state: Any = 0
    ) -> None:
        """Parameters are stored as given, as scikit-learn wants it; `fit` checks them."""
        self.recipe = recipe
        self.epochs = epochs
        self.config = config
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> SeesayClassifier:
        """Train on these rows; afterwards the classifier has the attributes above.

        `sample_weight`: how much each row counts; a row of weight 2 is a row given twice, one of weight 0 is
        not there. `groups`: rows of one group, such as a speaker, are on one side where training holds rows
        out.

        Unreadable contents, or fewer than two classes: InputError. An unknown setting: ConfigError. What
        scikit-learn refuses: ValueError.
        """
        for name in ("n_features_in_", "feature_names_in_"):  # of an earlier 2-D X
            self.__dict__.pop(name, None)
        rows = self._rows(X, new=True)
        given = _checked(rows, y, sample_weight, groups, isinstance(X, Mapping))
        classes, label = np.unique(given.y, return_inverse=True)
        if len(classes) < 2:
            raise UnsuitableRows(f"expected two classes or more, got 1 class: {str(classes[0])!r}")
        learned = learned_from(given.rows, label, [str(name) for name in classes.tolist()], given.groups)
        data = merged(learned.data.replace(weight=given.weight))
        config = configured(self.recipe, self.epochs, self.config, _seed(self.random_state), data.spec)
        data, splits, config = prepared(data, config, test=0)
        model, remarks = _trained(data, splits, config)
        self.classes_, self.modalities_, self.tops_ = classes, rows.modalities, learned.tops
        self.spec_, self.config_ = data.spec, config
        self.notes_ = (*learned.data.notes, *_notes(data, splits), *remarks)
        self.model_ = _restored(_tensors(model), config, data.spec)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """(n,): the most likely label."""
        best = self._logits(X).argmax(1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:
        """(n, k) float32: the probability of each class. A row without anything gets the fractions of the
        classes in training."""
        return softmax(self._logits(X), axis=1)

    def decision_function(self, X: Any) -> np.ndarray:
        """(n, k), or (n,) of two classes: the log odds of each class, of two the second, against the
        others."""
        logits = self._logits(X)
        if logits.shape[1] == 2:
            return logits[:, 1] - logits[:, 0]
        others = [logsumexp(np.delete(logits, i, axis=1), axis=1) for i in range(logits.shape[1])]
        return logits - np.stack(others, 1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.dict = True  # beside 2-D arrays
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """The attributes, the model as plain values: its weights as the bytes of a safetensors file, config
        and spec as JSON."""
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = _tensors(self.model_)
            state |= {"config_": to_json(self.config_), "spec_": to_json(self.spec_)}
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        if "model_" in state:
            load_installed()
            config = from_dict(Config, json.loads(state["config_"]))
            spec = from_dict(Spec, json.loads(state["spec_"]))
            state |= {"config_": config, "spec_": spec, "model_": _restored(state["model_"], config, spec)}
        super().__setstate__(state)

    def _rows(self, X: Any, new: bool = False) -> Rows:
        """X as rows; a 2-D array is checked as scikit-learn does it. `new`: of rows to fit."""
        if isinstance(X, Rows):
            return X
        if hasattr(X, "iloc") and any(dtype.kind not in NUMBERS for dtype in X.dtypes):
            return Rows.of({name: X[name] for name in X.columns})  # a data frame of paths
        if isinstance(X, Mapping) and not issparse(X):
            return Rows.of(X)
        if new or hasattr(self, "n_features_in_"):
            _check_vectors(X)
            return Rows(**{VECTOR: validate_data(self, X, dtype=np.float32, reset=new)})
        names = self.modalities_
        if isinstance(X, np.ndarray) and X.dtype == object and X.shape[1:] == (len(names),):
            return Rows(**{name: X[:, j] for j, name in enumerate(names)})  # it is what NumPy makes of Rows
        problem = f"the model was trained on Rows of {', '.join(names)}, got {type(X).__name__}"
        raise UnsuitableRows(problem, "Give Rows with these columns.")

    @torch.inference_mode()
    def _logits(self, X: Any) -> np.ndarray:
        """(n, k) float32: the model's calibrated logits. A modality that it was not trained on, although the
        rows to fit had its column, is ignored."""
        check_is_fitted(self, "model_")
        rows = self._rows(X)
        if unknown := [name for name in rows.modalities if name not in self.modalities_]:
            problem = f"the model was trained on {', '.join(self.modalities_)} only, got {', '.join(unknown)}"
            raise UnsuitableRows(problem, f"Leave {', '.join(unknown)} out.")
        encoded, present = {}, {}
        for modality in (m for m in self.model_.modalities if m in rows.modalities):
            contents, pointers = contents_like(rows, modality, self.spec_[modality], self.tops_)
            encoded[modality] = Encodings(self.model_, modality, contents, [pointers])(pointers)
            present[modality] = torch.from_numpy(pointers >= 0)
        if not encoded:
            return np.tile(self.model_.log_prior.numpy(), (len(rows), 1))
        return self.model_.decide(encoded, present)[Condition.of(encoded)].numpy()


# ------------------------------------------------------------------------------------ what fit is given


class Given(NamedTuple):
    """The rows of weight above 0, and their labels, weights and groups."""

    rows: Rows
    y: np.ndarray
    weight: np.ndarray
    groups: np.ndarray | None


def _check_vectors(X: Any) -> None:
    """ValueError for files and pictures without the name of a modality, where scikit-learn would ask to
    reshape them."""
    dimensions = getattr(X, "ndim", None)
    first = X[0] if dimensions in (None, 1) and isinstance(X, list | tuple | np.ndarray) and len(X) else None
    if isinstance(first, str | bytes | PathLike) or (dimensions or 0) > 2:
        what = f"an array of {dimensions} dimensions" if dimensions else f"a {type(X).__name__} of files"
        raise UnsuitableRows(
            f"expected Rows or a 2-D array, got {what}", "Name what it is: seesay.Rows(image=X)."
        )


def _checked(rows: Rows, y: Any, sample_weight: Any, groups: Any, columns: bool) -> Given:
    """What fit was given, if it is as scikit-learn wants it; else ValueError. `columns`: the rows came as a
    dictionary."""
    if y is None:
        raise UnsuitableRows("SeesayClassifier requires y to be passed, but the target y is None")
    y = column_or_1d(y, warn=True)
    assert_all_finite(y, input_name="y")
    if len(y) != len(rows):
        remedy = "scikit-learn slices Rows, but no dictionary: give it seesay.Rows(**X)." if columns else ""
        raise UnsuitableRows(f"{len(rows)} rows need as many labels, got {len(y)}", remedy)
    check_classification_targets(y)
    weight = np.ones(len(rows)) if sample_weight is None else _weights(sample_weight, rows)
    if not weight.any():
        raise UnsuitableRows("all weights in sample_weight are zero")
    kept = weight > 0
    if groups is not None:
        check_consistent_length(rows, groups)
        groups = np.asarray(groups, object)[kept]
    return Given(rows[kept], y[kept], weight[kept], groups)


def _weights(sample_weight: Any, rows: Rows) -> np.ndarray:
    """(n,): the weights. Of another shape, negative or not finite: ValueError."""
    weight = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weight.ndim != 1:
        raise UnsuitableRows(f"sample_weight must have one number for each row, got {weight.shape}")
    check_consistent_length(rows, weight)
    if (weight < 0).any():
        raise UnsuitableRows("sample_weight must not be negative")
    return weight


def configured(recipe: Any, epochs: Any, changes: Any, seed: int, spec: Spec) -> Config:
    """The config of a recipe for these contents, with these settings changed. An unknown setting:
    ConfigError with the nearest one."""
    config = recipe_of(str(recipe)).naming(spec.kinds)
    changes = {} if changes is None else changes
    check_object("config", changes, "config")
    names = list(flat(to_dict(config)))
    for name in changes:
        if name not in names:
            raise ConfigError(f"config has {name!r}, which is not a setting", nearest(str(name), names))
    values = {"seed": seed, **({} if epochs is None else {"optim.epochs": epochs}), **changes}
    return apply(config, {name: v.item() if isinstance(v, np.generic) else v for name, v in values.items()})


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _notes(data: Dataset, splits: Splits) -> tuple[str, ...]:
    """The notes on the splits, with what to do about unknown speakers here."""
    unknown = speaker_notes(*unknown_speakers(data))
    here = ("Speakers not known: expect less on new voices. Give them to fit as groups.",) if unknown else ()
    return (*(note for note in splits.notes if note not in unknown), *here)


def _trained(data: Dataset, splits: Splits, config: Config) -> tuple[Classifier, tuple[str, ...]]:
    """The model that training keeps, and remarks on it."""
    model, remarks = None, ()
    for step in learn(data, splits, config):
        if isinstance(step, Epoch) and step.model is not None:
            model, remarks = step.model, step.remarks
    assert model is not None
    return model, remarks


# ------------------------------------------------------------------------------------------------ the model


def _tensors(model: Classifier) -> bytes:
    """The weights of a model as the bytes of a safetensors file."""
    return save({name: tensor.contiguous() for name, tensor in model.state_dict().items()})


def _restored(weights: bytes, config: Config, spec: Spec) -> Classifier:
    """The model of these weights. After training too, so that a pickled copy predicts the same to the last
    bit: how weights lie in memory decides the order of sums."""
    model = build(config.model, spec, published=False)
    model.load_state_dict(load(weights))
    return model.eval().requires_grad_(False)
