"""Encoders from ONNX files: what reaches the network, what becomes of its output, and one line for each
mistake."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from onnx_files import SIZE, basis, onnx_file, picture_file, same_file, sound_file, write_card
from seesay.config import EncoderConfig, FeaturesConfig, ModelConfig
from seesay.errors import ConfigError, InputError
from seesay.model.classifier import build
from seesay.signal import onnx_encoder
from seesay.signal.front_ends import FrontEnd, Normaliser, features_of_contents, front_end
from seesay.spec import ContentSpec, PictureSpec, Spec, WaveformSpec

AUDIO = WaveformSpec(rate=8_000, seconds=0.25)
IMAGE = PictureSpec("photo", channels=3, height=8, width=8)
NOISE = np.random.default_rng(0).integers(-20_000, 20_000, (3, 2_000)).astype(np.int16)
PIXELS = np.random.default_rng(1).integers(0, 256, (3, 3, 8, 8)).astype(np.uint8)


def made(path: Path, spec: ContentSpec = AUDIO, **features: Any) -> FrontEnd:
    return front_end(FeaturesConfig(kind=f"onnx:{path}", **features), spec)


def features(path: Path, contents: Any, spec: ContentSpec = AUDIO, **settings: Any) -> np.ndarray:
    """What the front end makes of contents; the normaliser is the identity until it is fitted."""
    return features_of_contents(made(path, spec, **settings), contents).numpy()


# --------------------------------------------------------------------------------- what reaches the network


def test_a_recording_of_its_rate_and_length_reaches_it_as_it_is(tmp_path: Path):
    found = features(sound_file(tmp_path), NOISE)
    frames = (NOISE / 32_768).reshape(3, 10, 200)
    np.testing.assert_allclose(found, np.abs(frames @ basis(200)), rtol=1e-3, atol=1e-4)


def test_a_longer_clip_is_a_sequence_of_windows(tmp_path: Path):
    whole = features(sound_file(tmp_path, samples=1_000, sequence=False), NOISE)
    assert whole.shape == (3, 2, SIZE)
    parts = features(sound_file(tmp_path, samples=1_000, sequence=False), NOISE[:, 1_000:], seconds=0.125)
    assert parts.shape == (3, SIZE)
    np.testing.assert_allclose(whole[:, 1], parts, rtol=1e-4, atol=1e-5)
    assert features(sound_file(tmp_path, samples=1_000), NOISE).shape == (3, 20, SIZE)


def test_a_shorter_clip_stands_in_the_middle(tmp_path: Path):
    card = {"layout": "NT", "rate": 8_000, "seconds": 0.5}
    found = features(same_file(tmp_path, ("n", 4_000), card), NOISE)
    np.testing.assert_allclose(found[:, 1_000:3_000], NOISE / 32_768)
    assert not found[:, :1_000].any()
    assert not found[:, 3_000:].any()


def test_another_rate_is_resampled(tmp_path: Path):
    time = np.arange(2_000) / 8_000
    tone = np.rint(16_000 * np.sin(2 * np.pi * 500 * time)).astype(np.int16)[None]
    card = {"layout": "NT", "rate": 16_000, "seconds": 0.25}
    found = features(same_file(tmp_path, ("n", "t"), card), tone)
    expected = 16_000 / 32_768 * np.sin(2 * np.pi * 500 * np.arange(4_000) / 16_000)
    np.testing.assert_allclose(found[0, 200:-200], expected[200:-200], atol=1e-3)


def test_recordings_of_any_length_follow_the_clip(tmp_path: Path):
    card = {"layout": "NT", "rate": 8_000, "seconds": None}
    assert features(same_file(tmp_path, ("n", "t"), card), NOISE, seconds=0.1).shape == (3, 800)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_pixels_are_normalised_channel_by_channel_and_put_in_order(layout: str, tmp_path: Path):
    shape = ("n", 3, 8, 8) if layout == "NCHW" else ("n", 8, 8, 3)
    card = {"layout": layout, "height": 8, "width": 8, "scale": 2, "mean": [0.1, 0.2, 0.3], "std": [1, 2, 4]}
    card |= {"output_layout": layout.replace("C", "D"), "pool": "mean"}
    found = features(same_file(tmp_path, shape, card), PIXELS, IMAGE)
    means = PIXELS.mean((2, 3)) / 255
    np.testing.assert_allclose(found, (2 * means - [0.1, 0.2, 0.3]) / [1, 2, 4], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "scale"), [(TensorProto.UINT8, 255), (TensorProto.FLOAT16, 1), (TensorProto.FLOAT, 1)]
)
def test_inputs_of_other_types(kind: int, scale: int, tmp_path: Path):
    card = {
        "layout": "NCHW",
        "height": 8,
        "width": 8,
        "scale": scale,
        "output_layout": "NDHW",
        "pool": "mean",
    }
    found = features(same_file(tmp_path, ("n", 3, 8, 8), card, kind), PIXELS, IMAGE)
    np.testing.assert_allclose(found, PIXELS.mean((2, 3)) * scale / 255, rtol=2e-3)


def test_samples_as_integers_of_16_bits(tmp_path: Path):
    card = {"layout": "NT", "rate": 8_000, "seconds": 0.25, "scale": 32_768}
    np.testing.assert_array_equal(
        features(same_file(tmp_path, ("n", 2_000), card, TensorProto.INT16), NOISE), NOISE
    )


def test_grey_pictures_are_given_to_a_network_of_colours_and_the_reverse(tmp_path: Path):
    card = {"layout": "NCHW", "height": 8, "width": 8, "output_layout": "NDHW", "pool": "mean"}
    grey = PictureSpec("photo", channels=1, height=8, width=8)
    found = features(same_file(tmp_path, ("n", 3, 8, 8), card), PIXELS[:, :1], grey)
    np.testing.assert_allclose(found, np.repeat(PIXELS[:, :1].mean((2, 3)) / 255, 3, 1), rtol=1e-5)
    found = features(same_file(tmp_path, ("n", 1, 8, 8), card | {"channels": 1}), PIXELS, IMAGE)
    expected = (PIXELS / 255 * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(1).mean((1, 2))
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5)


def test_pictures_of_any_size_are_fitted(tmp_path: Path):
    photos = [np.full((3, 20, 30), 255, np.uint8), np.full((3, 6, 5), 255, np.uint8)]
    found = features(picture_file(tmp_path, side=12), photos, IMAGE)
    np.testing.assert_allclose(found, np.ones((2, 12)), rtol=1e-5)


def test_a_network_of_any_size_takes_that_of_the_model(tmp_path: Path):
    card = {"layout": "NCHW", "output_layout": "NDHW", "pool": "mean"}
    path = same_file(tmp_path, ("n", 3, "h", "w"), card)
    assert made(path, IMAGE, height=5, width=4)(torch.from_numpy(PIXELS)).shape == (3, 3)


# --------------------------------------------------------------------------------- what becomes of the output


@pytest.mark.parametrize(
    ("given", "layout", "pool", "shape"),
    [("NT", "", None, (3, 2_000)), ("NT", "ND", "mean", (3, 2_000)), ("NCT", "NDT", None, (3, 2_000, 1)),
     ("NCT", "NTD", None, (3, 1, 2_000)), ("NCT", "NDT", "mean", (3, 1)), ("NCT", "NTD", "mean", (3, 2_000))],
)  # fmt: skip
def test_axes_of_the_output(
    given: str, layout: str, pool: str | None, shape: tuple[int, ...], tmp_path: Path
):
    card = {"layout": given, "rate": 8_000, "seconds": 0.25, "output_layout": layout, "pool": pool}
    sizes = ("n", 2_000) if given == "NT" else ("n", 1, 2_000)
    assert features(same_file(tmp_path, sizes, card), NOISE).shape == shape


@pytest.mark.parametrize(("layout", "shape"), [("T", (2_000,)), ("NT", (1, 2_000)), ("CT", (1, 2_000))])
def test_one_content_at_a_time_gives_the_same(layout: str, shape: tuple[int, ...], tmp_path: Path):
    card = {"layout": layout, "rate": 8_000, "seconds": 0.25}
    card |= {"output_layout": "DT"} if layout == "CT" else {}
    found = features(same_file(tmp_path, shape, card), NOISE)
    np.testing.assert_allclose(found.reshape(3, 2_000), NOISE / 32_768)


def test_embeddings_are_normalised_and_projected(tmp_path: Path):
    for path, spec, name in (
        (sound_file(tmp_path), AUDIO, "audio"),
        (picture_file(tmp_path), IMAGE, "image"),
    ):
        encoder = EncoderConfig(kind=f"onnx:{path}")
        model = build(ModelConfig(dim=5, named={name: encoder}), Spec(("a", "b"), {name: spec}))
        assert isinstance(model.front_ends[name][-1], Normaliser)
        contents = {name: torch.from_numpy(NOISE if name == "audio" else PIXELS)}
        encodings = model.eval().encode(model.features(contents))
        assert encodings[name].shape == (3, 5)
        assert not [n for n, _ in model.front_ends[name].named_parameters()]


def test_it_runs_on_as_many_threads_as_torch(tmp_path: Path):
    network = made(sound_file(tmp_path)).get_submodule("features.network")
    assert isinstance(network, onnx_encoder.Network)
    assert network.session.get_session_options().intra_op_num_threads == torch.get_num_threads()


# ------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"input": "gvien"}, "sound.json: sound.onnx has no input 'gvien'. Did you mean 'given'?"),
        ({"output": "fuond"}, "sound.json: sound.onnx has no output 'fuond'. Did you mean 'found'?"),
        ({"layout": "NCT"}, r"layout is NCT, and the input given is \(n, 2000\). Give one letter"),
        ({"seconds": 0.5}, r"seconds is 0.5, and the input given of sound.onnx is \(n, 2000\). Give 0.25"),
        (
            {"seconds": None},
            r"seconds is null, and the input given .* Give 0.25 \(times rate: 2000 samples\)",
        ),
        ({"output_layout": "ND"}, r"output_layout is ND, and the output found is \(n, 10, 6\)"),
    ],
)
def test_a_card_that_does_not_fit_its_file_is_refused(card: dict[str, Any], said: str, tmp_path: Path):
    path = sound_file(tmp_path)
    write_card(path, **{"layout": "NT", "rate": 8_000, "seconds": 0.25} | card)
    with pytest.raises(ConfigError, match=said):
        made(path)


def test_sizes_and_channels_of_pictures_must_fit(tmp_path: Path):
    path = picture_file(tmp_path)
    with pytest.raises(ConfigError, match=r"takes a height of 8, got 9. Remove features.height"):
        made(path, IMAGE, height=9)
    with pytest.raises(ConfigError, match="takes 3 channels, pictures have 4"):
        made(path, PictureSpec(None, channels=4, height=8, width=8))
    write_card(path, layout="NCHW", height=8, width=8, channels=1)
    with pytest.raises(ConfigError, match=r"channels is 1, and the input given of .* \(n, 3, 8, 8\). Give 3"):
        made(path, IMAGE)


def test_maps_need_pooling(tmp_path: Path):
    card = {"layout": "NCHW", "height": 8, "width": 8}
    with pytest.raises(ConfigError, match=r'has the axes NDHW \(n, 3, 8, 8\), and pool is null. Give "pool"'):
        made(same_file(tmp_path, ("n", 3, 8, 8), card), IMAGE)


def test_a_fixed_batch_of_several_is_refused(tmp_path: Path):
    card = {"layout": "NT", "rate": 8_000, "seconds": 0.25}
    with pytest.raises(ConfigError, match=r"takes exactly 4 contents. Export it with a dynamic first axis"):
        made(same_file(tmp_path, (4, 2_000), card))


def test_a_type_of_input_that_nothing_becomes_is_refused(tmp_path: Path):
    card = {"layout": "NT", "rate": 8_000, "seconds": 0.25}
    with pytest.raises(ConfigError, match=r"the input given is tensor\(bool\). Use one of tensor\(float\)"):
        made(same_file(tmp_path, ("n", 2_000), card, TensorProto.BOOL))


def test_what_is_no_onnx_file_is_refused(tmp_path: Path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"PK\x03\x04 a zip file")
    write_card(path, layout="NT", rate=8_000)
    with pytest.raises(ConfigError, match=r"net.onnx cannot be opened as an ONNX file"):
        made(path)


def test_nan_is_refused(tmp_path: Path):
    """Here the logarithm of silence."""
    nodes = [helper.make_node("Log", ["given"], ["found"])]
    card = {"layout": "NT", "rate": 8_000, "seconds": 0.25}
    path = onnx_file(tmp_path / "log.onnx", ("n", 2_000), nodes, ("n", 2_000), card=card)
    with pytest.raises(ConfigError, match=r"log.onnx: the output found is NaN or infinite"):
        made(path)


def test_a_network_that_fails_is_one_line(tmp_path: Path):
    """A dynamic axis that the network does not really have."""
    nodes = [helper.make_node("MatMul", ["given", "basis"], ["found"])]
    card = {"layout": "NT", "rate": 8_000, "seconds": None}
    path = onnx_file(
        tmp_path / "net.onnx", ("n", "t"), nodes, ("n", SIZE), {"basis": basis(1_000)}, card=card
    )
    with pytest.raises(ConfigError, match=r"net.onnx fails on an input of \(1, 2000\)") as error:
        made(path)
    assert "\n" not in str(error.value)
    assert made(path, seconds=0.125)(torch.from_numpy(NOISE)).shape == (3, SIZE)


def test_weights_in_another_file_are_found_or_missed(tmp_path: Path):
    path = sound_file(tmp_path)
    before = features(path, NOISE)
    model = onnx.load(path)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(basis(200), "basis"))
    options: dict[str, Any] = {
        "save_as_external_data": True,
        "location": "net.onnx_data",
        "size_threshold": 1_000,
    }
    onnx.save(model, path, **options)
    np.testing.assert_array_equal(features(path, NOISE), before)
    assert len(onnx_encoder.whole_file(path)) > (tmp_path / "net.onnx_data").stat().st_size
    (tmp_path / "net.onnx_data").unlink()
    path.touch()
    with pytest.raises(ConfigError, match=r"keeps its weights in net.onnx_data, which is not beside it"):
        made(path)


def test_a_package_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = sound_file(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"sound.onnx needs the package onnxruntime, which is not installed"):
        made(path)


def test_weights_of_a_file_are_not_trained(tmp_path: Path):
    encoder = EncoderConfig(kind=f"onnx:{sound_file(tmp_path)}", finetune=0.1)
    with pytest.raises(
        ConfigError, match=r"the encoder onnx:.* cannot be trained further on the kind waveform"
    ):
        build(ModelConfig(named={"audio": encoder}), Spec(("a", "b"), {"audio": AUDIO}))


def test_the_file_has_to_be_named():
    with pytest.raises(ConfigError, match=r"the encoder onnx needs a FILE. As in onnx:FILE"):
        EncoderConfig(kind="onnx")
