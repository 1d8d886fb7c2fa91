"""The mean and scale that features are normalised with, taken from the training rows and kept in the spec."""

import dataclasses

import numpy as np

from seesay.data.dataset import Dataset
from seesay.signal.features import Normaliser, audio_features


def normalised(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """The data set with a spec whose normaliser fits the recordings of these rows, each counted once.

    Without recordings among the rows, those of all rows; without any, the data set as it is.
    """
    if dataset.spec.audio is None:
        return dataset
    used = _heard(dataset, rows)
    used = used if len(used) else _heard(dataset, np.arange(len(dataset)))
    if not len(used):
        return dataset
    bare = dataclasses.replace(dataset.spec.audio, mean=(), scale=())
    mean, scale = Normaliser.fit(audio_features(dataset.contents["audio"][used], bare))
    audio = dataclasses.replace(bare, mean=mean, scale=scale)
    return dataset.replace(spec=dataclasses.replace(dataset.spec, audio=audio))


def _heard(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """The recordings that these rows point to, each once."""
    pointers = np.unique(dataset.pointers("audio")[rows])
    return pointers[pointers >= 0]
