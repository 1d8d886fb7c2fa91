"""Neural voices: each is drawn from its number, says ten trimmed digits, and what is missing is named."""

import importlib.util
import shutil
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from seesay.errors import InputError

SCRIPT = Path(__file__).parents[1] / "scripts" / "make_voices.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_voices", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_voices"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def styles(script: ModuleType) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    names = ("am_one", "bf_two", "zm_three", "af_four")
    return {name: random.normal(size=(12, script.STYLE)).astype(np.float32) for name in names}


class Hum:
    """A synthesizer that hums for half a second, between silences, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, np.ndarray]] = []

    def run(self, _names: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.asked.append(inputs)
        hum = np.sin(2 * np.pi * 200 * np.arange(12_000) / 24_000)
        return [np.concatenate([np.zeros(6_000), hum, np.zeros(9_000)]).astype(np.float32)]


def voice(script: ModuleType, number: int, styles: dict[str, np.ndarray]) -> Any:
    return script.draw(number, styles, np.random.default_rng(number))


def test_the_first_voices_are_the_speakers_and_later_ones_mixtures(script: ModuleType, styles: dict):
    for number, name in enumerate(sorted(styles)):
        drawn = voice(script, number, styles)
        assert np.array_equal(drawn.style, styles[name])
        assert drawn.british == name.startswith("b")
    for number in (4, 5):
        mixed = voice(script, number, styles)
        assert mixed.style.shape == styles["am_one"].shape
        assert all(np.abs(mixed.style - style).max() > 0.1 for style in styles.values())
        assert np.array_equal(mixed.style, voice(script, number, styles).style)
    assert len({voice(script, number, styles).pace for number in range(20)}) == 20


def test_ten_digits_are_said_each_with_its_symbols_and_style_row(script: ModuleType, styles: dict):
    hum, speaker = Hum(), voice(script, 0, styles)
    clips = list(script.words(speaker, hum, np.random.default_rng(0)))
    assert len(clips) == len(hum.asked) == 10
    for word, asked, clip in zip(script.AMERICAN, hum.asked, clips, strict=True):
        tokens = asked["tokens"][0]
        assert tokens[0] == tokens[-1] == 0
        assert list(tokens[1 : 1 + len(word)]) == [script.SYMBOLS[symbol] for symbol in word]
        assert np.array_equal(asked["style"][0], speaker.style[len(tokens) - 2])
        seconds = len(clip) / script.RATE
        assert 0.5 <= seconds <= 0.5 + 2 * script.MARGIN + 0.03
        assert script.PEAKS[0] <= np.abs(clip).max() <= script.PEAKS[1] + 0.01


def test_speakers_are_read_from_the_packed_package(script: ModuleType, styles: dict, tmp_path: Path):
    path = tmp_path / "kokoro-js.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, style in styles.items():
            entry = tarfile.TarInfo(f"package/voices/{name}.bin")
            entry.size = style.nbytes
            archive.addfile(entry, BytesIO(style.tobytes()))
    found = script.read_styles(path)
    assert found.keys() == styles.keys()
    assert all(np.array_equal(found[name], styles[name]) for name in styles)


def test_what_is_missing_is_named(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="npm pack"):
        script.read_styles(tmp_path / "absent.tgz")
    with tarfile.open(tmp_path / "empty.tgz", "w:gz"):
        pass
    with pytest.raises(InputError, match=r"holds no voices"):
        script.read_styles(tmp_path / "empty.tgz")
    monkeypatch.setattr(script, "PARTS", ("no_such_part",))
    with pytest.raises(InputError, match="pip install onnxruntime no-such-part"):
        script.synthesizer()


def test_espeaks_variants_say_ten_digits_the_same_again(script: ModuleType):
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    names = script.variants()
    assert len(names) > 90
    assert "Mr serious" in names
    one, same, other = (
        list(script.formant_words(f"en+{name}", np.random.default_rng(3))) for name in ("f2", "f2", "m3")
    )
    assert len(one) == 10
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert all(0.15 < len(clip) / script.RATE < 1.5 for clip in one)


def test_readers_of_other_languages_say_ten_digits_the_same_again(script: ModuleType):
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    assert not set(script.FOREIGN) & set(script.KEPT_BACK)
    one, same, other = (list(script.foreign_words(*which)) for which in (("el", 0), ("el", 0), ("tr", 0)))
    assert len(one) == 10
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert all(len(spelled.split()) == 10 for spelled in (script.FOREIGN | script.KEPT_BACK).values())
    assert len(script.LEARNERS) == 10
    assert {symbol for ways in script.LEARNERS for word in ways for symbol in word} <= set(script.SYMBOLS)
