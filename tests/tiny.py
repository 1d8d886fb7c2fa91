"""A tiny data set that can be learned in a second: a bright stripe for a picture, a tone for a recording.

Three classes; the stripe's place and the tone's pitch say which. Four speakers a class, each with two
recordings that several rows point at; the first two speakers train, the third validates, the fourth tests.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seesay.config import Config, EncoderConfig, FeaturesConfig, ModelConfig, OptimConfig
from seesay.data.dataset import MISSING, NONE, Dataset, Group
from seesay.learn.run import Run, begin, train
from seesay.recipes import NO_AUGMENTATION
from seesay.registry import find, names
from seesay.spec import PictureSpec, Spec, WaveformSpec

CLASSES = ("low", "middle", "high")
SPEAKERS = ("ann", "bob", "cleo", "dan")
SPLIT = (0, 0, 1, 2)
"""Of each speaker: two in train, one in valid, one in test."""

FUSIONS = {name: find("fusion", name).load() for name in names("fusion")}
"""Those that come with seesay, by name."""

IMAGE = PictureSpec(reader="photo", height=8, width=8)
AUDIO = WaveformSpec(rate=4_000, seconds=0.25)


def quick_first(names: Iterable[str], *quick: str) -> list[Any]:
    """The names as parameters of a test; all but the quick ones are long."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.long) for name in names]


FEATURES = FeaturesConfig(filters=12, coefficients=6)
"""Of the tones: as many as so few samples have room for."""


def tiny_spec(modalities: Sequence[str] = ("image", "audio")) -> Spec:
    """What the tiny data set holds."""
    return Spec(CLASSES, {m: {"image": IMAGE, "audio": AUDIO}[m] for m in modalities})


def picture(label: int, random: np.random.Generator) -> np.ndarray:
    """(1, 8, 8) uint8: a bright stripe in the upper, middle or lower rows, on noise."""
    pixels = random.integers(0, 60, (1, 8, 8))
    pixels[:, 1 + 2 * label : 3 + 2 * label] += 180
    return pixels.astype(np.uint8)


def recording(label: int, random: np.random.Generator) -> np.ndarray:
    """(samples,) int16: a tone of about 300, 600 or 1200 Hz, on noise."""
    time = np.arange(AUDIO.samples) / AUDIO.rate
    pitch = 300 * 2**label * random.uniform(0.95, 1.05)
    tone = np.sin(2 * np.pi * (pitch * time + random.uniform())) + 0.1 * random.standard_normal(len(time))
    return np.clip(10_000 * tone, -32_768, 32_767).astype(np.int16)


def tiny_data(
    each: int = 24,
    seed: int = 0,
    missing: bool = False,
    modalities: Sequence[str] = ("image", "audio"),
    **changes: Any,
) -> Dataset:
    """`each` rows a class, each with its own picture. `missing`: some lack a picture, some a recording."""
    random = np.random.default_rng(seed)
    label = np.repeat(np.arange(len(CLASSES)), each)
    speaker = np.tile(np.arange(each) % len(SPEAKERS), len(CLASSES))
    audio = 2 * (len(SPEAKERS) * label + speaker) + random.integers(0, 2, len(label))
    rows = {"image": np.arange(len(label)), "audio": audio}
    if missing:
        rows["image"][2::5] = -1
        rows["audio"][3::5] = -1
    contents = {
        "image": np.stack([picture(k, random) for k in label]),
        "audio": np.stack([recording(i // (2 * len(SPEAKERS)), random) for i in range(6 * len(SPEAKERS))]),
    }
    said_by = np.arange(6 * len(SPEAKERS), dtype=np.int32) // 2 % len(SPEAKERS)
    parts: dict[str, Any] = {
        "spec": tiny_spec(modalities),
        "contents": {m: contents[m] for m in modalities},
        "rows": np.stack([rows[m] for m in modalities], 1).astype(np.int32),
        "label": label.astype(np.int64),
        "split": np.array(SPLIT, np.int8)[speaker],
        "groups": {"audio": {"speaker": Group(said_by, SPEAKERS)}} if "audio" in modalities else {},
        "pairing": "drawn within class",
        "name": "tiny",
    }
    return Dataset(**parts | changes)


def with_negatives(data: Dataset, each: int = 24, seed: int = 1) -> Dataset:
    """The tiny data and `each` negatives in every modality, split like the rows of a class: noise for a
    picture, clicks for a recording, paired with each other."""
    random = np.random.default_rng(seed)
    clicks = np.where(random.random((each, AUDIO.samples)) < 0.01, 20_000, 0)
    new = {
        "image": random.integers(0, 256, (each, 1, 8, 8)).astype(np.uint8),
        "audio": clicks.astype(np.int16),
    }
    contents = {m: np.concatenate([data.contents[m], new[m]]) for m in data.modalities}
    pointers = np.stack([len(data.contents[m]) + np.arange(each) for m in data.modalities], 1)
    groups = {}
    if "audio" in data.groups:
        speaker = data.groups["audio"]["speaker"]
        nobody = np.full(each, MISSING, np.int32)
        groups = {"audio": {"speaker": Group(np.concatenate([speaker.ids, nobody]), speaker.names)}}
    return data.replace(
        contents=contents,
        rows=np.concatenate([data.rows, pointers]).astype(np.int32),
        label=np.concatenate([data.label, np.full(each, NONE)]),
        split=np.concatenate([data.split, np.array(SPLIT, np.int8)[np.arange(each) % len(SPLIT)]]),
        groups=groups,
    )


STILL = NO_AUGMENTATION
"""Nothing is changed."""


def tiny_model(
    image: EncoderConfig | None = None, audio: EncoderConfig | None = None, **changes: Any
) -> ModelConfig:
    """Networks of a few hundred weights; front ends are those of `FEATURES`, where the network has no own."""
    small = EncoderConfig(width=4, layers=2, dropout=0.1)
    heard = audio or small
    if heard.features == FeaturesConfig():
        heard = dataclasses.replace(heard, features=FEATURES)
    fields: dict[str, Any] = {"dim": 8, "hidden": 8, "named": {"image": image or small, "audio": heard}}
    return ModelConfig(**fields | changes)


def tiny_config(epochs: int = 4, model: ModelConfig | None = None, **changes: Any) -> Config:
    """Learns the tiny data in a second, in float32."""
    optim = OptimConfig(epochs=epochs, batch=8, lr=2e-2, average=0.1, precision="float32")
    return dataclasses.replace(Config(model=model or tiny_model(), optim=optim), **changes)


def tiny_run(
    folder: Path, data: Dataset | None = None, config: Config | None = None, source: str = "tiny"
) -> Run:
    """A finished run in this folder, learned from the tiny data."""
    run, data, splits = begin(data or tiny_data(), source, config or tiny_config(), "small", folder)
    for _ in train(run, data, splits):
        pass
    return run
