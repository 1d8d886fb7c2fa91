"""Cards: what is absent, unknown or wrong is one line that names the file and the field."""

from pathlib import Path
from typing import Any

import pytest

from onnx_files import picture_file, sound_file, write_card
from seesay.config import FeaturesConfig
from seesay.errors import ConfigError
from seesay.signal.feature_settings import settled_features
from seesay.signal.onnx_card import card_of, how_it_fits, window_starts
from seesay.spec import PictureSpec, WaveformSpec

SOUND = {"layout": "NT", "rate": 8_000, "seconds": 0.25}
PICTURE = {"layout": "NCHW", "height": 8, "width": 8}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An empty file: a card is read before its network is."""
    path = tmp_path / "net.onnx"
    path.touch()
    return path


def test_a_card_is_found_beside_its_file(file: Path):
    write_card(file, **SOUND)
    assert card_of(file).rate == 8_000
    other = file.with_name("net.onnx.json")
    other.write_text(file.with_suffix(".json").read_text().replace("8000", "16000"))
    assert card_of(file).rate == 16_000


def test_defaults_follow_from_the_layout(file: Path):
    write_card(file, **PICTURE)
    assert (card_of(file).picture, card_of(file).depth, card_of(file).batched) == (True, 3, True)
    write_card(file, layout="T", rate=16_000)
    assert (card_of(file).picture, card_of(file).depth, card_of(file).batched) == (False, 1, False)
    assert card_of(file).samples is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (SOUND | {"hieght": 3}, "hieght is not a field. Did you mean 'height'?"),
        (SOUND | {"rate": "8k"}, "rate must be int"),
        (SOUND | {"rate": None}, "rate is missing, which recordings (layout NT) need"),
        (SOUND | {"rate": 0}, "rate must be 1 or more"),
        (SOUND | {"seconds": 0}, "seconds must be 0.001 to 600"),
        (SOUND | {"height": 8}, "height is not for recordings"),
        (PICTURE | {"rate": 8_000}, "rate is not for pictures"),
        (PICTURE | {"width": None}, "width is missing, which pictures (layout NCHW) need"),
        (PICTURE | {"layout": "NCWH"}, "layout is 'NCWH'. Choose one of: NCHW, NHWC"),
        (PICTURE | {"layout": "NHW", "channels": 3}, "channels is 3, and layout NHW has no C"),
        (PICTURE | {"mean": [0.5, 0.5]}, "mean has 2 numbers. Give 1, or 3 (channels)"),
        (PICTURE | {"mean": 0.5}, "mean must be a list"),
        (PICTURE | {"std": [1, 0, 1]}, "std is 0"),
        (PICTURE | {"pool": "max"}, "pool is 'max'. Give mean or null"),
        (PICTURE | {"output_layout": "NHH"}, "output_layout is 'NHH'"),
        (PICTURE | {"output_layout": "D"}, "layout is NCHW and output_layout D. Give N in both"),
    ],
)
def test_a_mistake_is_named(fields: dict[str, Any], said: str, file: Path):
    beside = write_card(file, **fields)
    with pytest.raises(ConfigError) as error:
        card_of(file)
    assert str(error.value).startswith(f"{beside}: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "net.json is not JSON"),
        ("[]", "net.json must hold one object with fields, got list"),
        ('{"input": "a", "layout": "NT"}', "net.json lacks the field output"),
    ],
)
def test_what_is_no_card_is_refused(text: str, said: str, file: Path):
    file.with_suffix(".json").write_text(text)
    with pytest.raises(ConfigError, match=said):
        card_of(file)


def test_files_that_are_not_there_are_named(file: Path):
    with pytest.raises(ConfigError, match=r"net.onnx has no JSON file beside it. Write .*net.json"):
        card_of(file)
    with pytest.raises(ConfigError, match=r"other.onnx does not exist. Give the path of an ONNX file"):
        card_of(file.with_name("other.onnx"))


def test_pictures_are_fitted_to_the_size_of_the_card(tmp_path: Path):
    kind = f"onnx:{picture_file(tmp_path, side=12)}"
    settled = settled_features(FeaturesConfig(kind=kind), PictureSpec("photo", height=8, width=8))
    assert (settled.height, settled.width, settled.fit) == (12, 12, "crop")


def test_a_setting_of_other_front_ends_has_no_effect(tmp_path: Path):
    kind = f"onnx:{sound_file(tmp_path)}"
    for field in ("filters", "height"):
        with pytest.raises(ConfigError, match=f"features.{field} has no effect on the front end onnx"):
            settled_features(FeaturesConfig(kind=kind, **{field: 20}), WaveformSpec(8_000))


def test_a_file_for_other_contents_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"sound.onnx takes recordings \(layout NT\), got pictures"):
        settled_features(FeaturesConfig(kind=f"onnx:{sound_file(tmp_path)}"), PictureSpec("photo"))
    kind = f"onnx:{picture_file(tmp_path)}"
    with pytest.raises(ConfigError, match="needs pictures in bytes, got floats"):
        settled_features(FeaturesConfig(kind=kind), PictureSpec(None, channels=3, standardised=True))


@pytest.mark.parametrize(
    ("length", "window", "starts"),
    [(5, 5, (0,)), (4, 5, (0,)), (6, 5, (0, 1)), (10, 5, (0, 5)), (11, 5, (0, 3, 6))],
)
def test_windows_cover_a_clip(length: int, window: int, starts: tuple[int, ...]):
    assert window_starts(length, window) == starts


def test_how_recordings_reach_the_network_is_said(tmp_path: Path):
    features = FeaturesConfig(kind=f"onnx:{sound_file(tmp_path)}", seconds=1.0)
    [line] = how_it_fits(features, WaveformSpec(16_000))
    assert (
        "recordings of 16,000 Hz are resampled to 8,000 Hz and a clip of 1 s is 4 windows of 0.25 s" in line
    )
    assert how_it_fits(FeaturesConfig(), WaveformSpec(16_000)) == []
