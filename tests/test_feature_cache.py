"""Features of frozen networks on disk: made once per content, whatever happened in between."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seesay.config import EncoderConfig, FeaturesConfig
from seesay.data.ragged import ContentTable, as_table
from seesay.learn.fit import Epoch
from seesay.learn.learn import learn, prepared
from seesay.model.feature_cache import BLOCK, FeatureCache
from seesay.signal.speech import SpeechEmbedding
from seesay.spec import WaveformSpec
from tiny import tiny_config, tiny_data, tiny_model

SPEC = WaveformSpec(rate=8_000)
SETTINGS = FeaturesConfig(kind="speech", seconds=1.0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEESAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Sums:
    """A network that counts the contents it sees, and can be made to fail after some."""

    def __init__(self, most: int = 10**6) -> None:
        self.seen, self.most = 0, most

    def __call__(self, contents: ContentTable) -> Tensor:
        self.seen += len(contents)
        if self.seen > self.most:
            raise KeyboardInterrupt
        return torch.tensor([[float(content.sum()), len(content)] for content in contents])


def cache(network: nn.Module | None = None) -> FeatureCache:
    return FeatureCache.of(network or nn.Identity(), SETTINGS, SPEC)


def waveforms(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9, 9, (count, 50), dtype=np.int16)


def test_only_new_contents_are_made():
    first, second = waveforms(5), waveforms(4, seed=1)
    cache().features(first, Sums())
    network = Sums()
    mixed = np.concatenate([second, first[::-1], second])
    found = cache().features(mixed, network)
    assert network.seen == len(second)
    assert found[:, 0].tolist() == [content.sum() for content in mixed]


def test_an_interrupted_extraction_goes_on_where_it_was():
    contents = waveforms(2 * BLOCK + 3)
    with pytest.raises(KeyboardInterrupt):
        cache().features(contents, Sums(most=2 * BLOCK))
    network = Sums()
    found = cache().features(contents, network)
    assert network.seen == 3
    assert found[:, 0].tolist() == contents.sum(1).tolist()


def test_contents_of_different_lengths_are_told_apart():
    short, long = np.zeros(10, np.int16), np.zeros(20, np.int16)
    found = cache().features(as_table([short, long]), Sums())
    assert found[:, 1].tolist() == [10, 20]
    assert cache().features(as_table([long, short]), Sums(most=0))[:, 1].tolist() == [20, 10]


def test_no_contents_give_what_the_network_gives():
    assert cache().features(waveforms(0), lambda _: torch.zeros(0, 2)).shape == (0, 2)


@pytest.mark.parametrize("damage", ["shorter", "not an array", "gone"])
def test_a_damaged_block_is_made_again(folder: Path, damage: str):
    contents = waveforms(3)
    cache().features(contents, Sums())
    (block,) = folder.rglob("*.npy")
    if damage == "gone":
        block.unlink()
    else:
        block.write_bytes(block.read_bytes()[:-8] if damage == "shorter" else b"nothing")
    network = Sums()
    assert cache().features(contents, network)[:, 0].tolist() == contents.sum(1).tolist()
    assert network.seen == 3


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(folder: Path):
    folder.write_text("a file, so no folder can be made")
    found = cache().features(waveforms(3), Sums())
    assert found[:, 0].tolist() == waveforms(3).sum(1).tolist()


def test_other_weights_or_settings_have_a_folder_of_their_own():
    linear = nn.Linear(2, 2)
    before = cache(linear).folder
    assert cache(linear).folder == before
    with torch.no_grad():
        linear.weight[0, 0] += 1
    assert cache(linear).folder != before
    longer = dataclasses.replace(SETTINGS, seconds=2.0)
    assert FeatureCache.of(nn.Identity(), longer, SPEC).folder != cache().folder
    other_rate = FeatureCache.of(nn.Identity(), SETTINGS, WaveformSpec(rate=16_000))
    assert other_rate.folder != cache().folder


def test_a_second_training_runs_no_network_and_learns_the_same(monkeypatch: pytest.MonkeyPatch):
    data, config = tiny_data(), tiny_config(1, tiny_model())
    named = {"image": config.model.of("image", "picture"), "audio": EncoderConfig(kind="speech")}
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, named=named))

    def trained() -> dict[str, Tensor]:
        *_, last = (step for step in learn(*prepared(data, config)) if isinstance(step, Epoch))
        assert last.model is not None
        return last.model.state_dict()

    first, forward, seen = trained(), SpeechEmbedding.forward, []

    def counted(network: SpeechEmbedding, energies: Tensor) -> Tensor:
        seen.append(len(energies))
        return forward(network, energies)

    monkeypatch.setattr(SpeechEmbedding, "forward", counted)
    second = trained()
    assert sum(seen) <= 2, "a trial with zeros finds the shape; nothing else runs"
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], rtol=0, atol=0)
