"""Encodings: each content once where all can be kept, as often as it takes where not, and the same either
way."""

from pathlib import Path

import numpy as np
import pytest
import torch

from seesay.data.dataset import Dataset
from seesay.model.classifier import Classifier, build
from seesay.serve import encodings
from seesay.serve.encodings import Encodings, release
from test_open import array_of
from tiny import tiny_data, tiny_model, tiny_spec

DATA = tiny_data(seed=6)
MODEL = build(tiny_model(), tiny_spec(), seed=1).eval()


def expected(modality: str, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        features = MODEL.features({modality: torch.from_numpy(DATA.contents[modality][ids])})
        return MODEL.encode(features)[modality]


class Counting(torch.nn.Module):
    """A front end that counts the contents it is given."""

    def __init__(self, front_end: torch.nn.Module) -> None:
        super().__init__()
        self.front_end, self.count = front_end, 0

    def forward(self, contents: torch.Tensor) -> torch.Tensor:
        self.count += len(contents)
        return self.front_end(contents)


def counting() -> tuple[Classifier, Counting]:
    model = build(tiny_model(), tiny_spec(), seed=1).eval()
    front_end = Counting(model.front_ends["audio"])
    model.front_ends["audio"] = front_end
    return model, front_end


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("modality", ["image", "audio"])
def test_they_are_what_the_model_makes_of_contents(
    modality: str, keep: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(encodings, "CACHE_BYTES", 10**6 if keep else 0)
    parts = ([3, 3, 0, 7], [20, 7], [5])
    ask = Encodings(MODEL, modality, DATA.contents[modality], map(np.array, parts))
    for ids in parts:
        torch.testing.assert_close(ask(np.array(ids)), expected(modality, ids), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("keep", [True, False])
def test_where_nothing_is_there_stand_zeros(keep: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(encodings, "CACHE_BYTES", 10**6 if keep else 0)
    ask = Encodings(MODEL, "image", DATA.contents["image"], [np.array([-1, 4, -1])])
    some = ask(np.array([-1, 4, -1]))
    assert some[1].any()
    assert not some[[0, 2]].any()
    assert not ask(np.array([-1, -1])).any()
    assert not Encodings(MODEL, "image", DATA.contents["image"][:0], [])(np.array([-1])).any()


def test_a_content_is_encoded_once_where_all_can_be_kept():
    model, front_end = counting()
    ask = Encodings(model, "audio", DATA.contents["audio"], [np.array([1, 2, 1, 3]), np.array([3, 4])])
    front_end.count = 0
    for _ in range(3):
        ask(np.array([1, 2, 1, 3]))
    ask(np.array([3, 4]))
    assert front_end.count == 4


def test_a_content_is_encoded_once_in_each_part_where_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(encodings, "CACHE_BYTES", 0)
    model, front_end = counting()
    ask = Encodings(model, "audio", DATA.contents["audio"], [np.array([1, 2, 1, 3])])
    front_end.count = 0
    for _ in range(3):
        ask(np.array([1, 2, 1, 3]))
    assert front_end.count == 9
    assert ask.cache.nelement() == 0


def test_a_batch_is_the_same_whichever_parts_were_asked_for_before():
    """To the last bit: parts share contents, and the last batches hold one or two."""
    parts = [np.array(ids) for ids in ([0, 1], [1, 2], [2, 3, 4, 0])]

    def asked(*which: int) -> list[torch.Tensor]:
        ask = Encodings(MODEL, "audio", DATA.contents["audio"], parts)
        return [ask(parts[i]) for i in which]

    whole = asked(0, 1, 2)
    for which in ([2], [1, 2], [2, 0, 1]):
        for i, encoded in zip(which, asked(*which), strict=True):
            assert torch.equal(encoded, whole[i])


def test_what_a_mapping_has_read_is_given_back_and_can_be_read_again(tmp_path: Path):
    DATA.save(tmp_path / "data")
    table = array_of(Dataset.open(tmp_path / "data").contents["audio"])
    read = np.array(table)
    release(table)
    release(table[2:5, ::2])
    np.testing.assert_array_equal(table, read)


def test_what_was_written_is_never_given_back(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros(5000))
    table = np.load(tmp_path / "a.npy", mmap_mode="c")  # written to memory only
    table[:] = 1
    release(table)
    release(table[1:])
    assert table.all()


def test_memory_is_given_back(tmp_path: Path):
    """Of 64 MiB that were read, nearly all."""
    np.save(tmp_path / "a.npy", np.ones(2**23))
    table = np.load(tmp_path / "a.npy", mmap_mode="r")
    before = resident()
    assert table.sum() == 2**23
    assert resident() - before > 2**25
    release(table)
    assert resident() - before < 2**23


def resident() -> int:
    """Bytes of this process in memory."""
    statm = Path("/proc/self/statm")
    if not statm.is_file():
        pytest.skip("only Linux says how much memory a process has")
    return int(statm.read_text().split()[1]) * 4096
