"""The speech embedding: the numbers of its original, at any rate of the recordings, frozen or trained
further."""

import dataclasses
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch

from seesay.config import EncoderConfig, FeaturesConfig, ModelConfig
from seesay.errors import ConfigError
from seesay.learn.fit import Epoch, Training
from seesay.learn.learn import learn, prepared
from seesay.model.classifier import Classifier, build, upgraded_state
from seesay.signal.feature_settings import features_for
from seesay.signal.front_ends import front_end
from seesay.signal.speech import DEPTH, GENERAL, WEIGHTS, SpeechEmbedding, SpeechMel
from seesay.spec import Spec, VectorSpec, WaveformSpec
from tiny import tiny_config, tiny_data, tiny_model


def sweep(rate: int = 16_000) -> np.ndarray:
    """One second that rises from 200 to 1,800 Hz, (samples,) int16."""
    time = np.arange(rate) / rate
    tone = np.sin(2 * np.pi * (200 * time + 800 * time**2)) * np.sin(np.pi * time) ** 2
    return np.rint(8_000 * tone).astype(np.int16)


def energies(samples: np.ndarray, rate: int = 16_000) -> torch.Tensor:
    return SpeechMel(rate)(torch.from_numpy(samples[None]))


def test_the_numbers_are_those_of_the_original():
    """What TensorFlow Lite (ai-edge-litert 2.3.0) made of the sweep with half a second of zeros on either
    side."""
    mel = energies(sweep())
    assert mel[0, 90, :8].tolist() == pytest.approx(
        [4.1136, 4.1136, 4.1480, 4.1136, 4.7820, 4.7705, 5.7214, 6.0181], abs=1e-3
    )
    found = SpeechEmbedding()(mel)
    assert found.shape == (1, 16, 96)
    expected = [0.0787, 22.3110, -9.3004, -12.2390, 18.3995, 15.3350, 7.9602, -16.6069]
    assert found[0, 6, :8].tolist() == pytest.approx(expected, abs=1e-3)
    assert found.abs().sum().item() == pytest.approx(20450.6, rel=1e-4)


def test_real_clips_give_what_the_original_gives(shared_data: Path):
    """To 1e-3, where the runtime and the package with the original are installed."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    pytest.importorskip("pyopen_wakeword", reason="pyopen-wakeword is not installed")
    models = Path(str(distribution("pyopen-wakeword").locate_file("pyopen_wakeword"))) / "models"

    def run(name: str, given: np.ndarray) -> np.ndarray:
        network = interpreter.Interpreter(str(models / name))
        network.resize_tensor_input(0, list(given.shape))
        network.allocate_tensors()
        network.set_tensor(0, given)
        network.invoke()
        return network.get_tensor(network.get_output_details()[0]["index"])

    for path in sorted((shared_data / "speech_commands").glob("*/*.wav"))[::40]:
        samples, _ = soundfile.read(path, dtype="int16")
        whole = np.pad(samples, 8_000).astype(np.float32)
        mel = run("melspectrogram.tflite", whole[None])[0, 0] / 10 + 2
        windows = [mel[i : i + 76, :, None] for i in range(0, len(mel) - 75, 8)]
        theirs = run("embedding_model.tflite", np.stack(windows).astype(np.float32))[:, 0, 0]
        ours = SpeechEmbedding()(energies(samples))[0, : len(theirs)].detach().numpy()
        assert np.abs(ours - theirs).max() < 1e-3


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_another_rate_gives_nearly_the_same(rate: int):
    """Loud energies to a hundredth: how a recording was resampled changes the quiet ones more."""
    other = soxr.resample(sweep(), 16_000, rate)
    first, second = energies(sweep())[0], energies(other, rate)[0]
    frames = min(len(first), len(second), 150)
    loud = first[:frames] > first.max() - 3
    assert (first[:frames] - second[:frames])[loud].abs().max() < 0.02


def test_silence_and_short_clips_have_features():
    assert energies(np.zeros(16_000, np.int16)).isfinite().all()
    assert SpeechEmbedding()(energies(np.zeros(10, np.int16))).shape[1] >= 1


def test_each_window_depends_on_its_own_76_frames_alone():
    network, mel = SpeechEmbedding(), energies(sweep())
    whole = network(mel)
    alone = network(mel[:, 5 * 8 : 5 * 8 + 76])
    torch.testing.assert_close(whole[:, 5:6], alone, rtol=1e-4, atol=1e-3)


def test_the_weights_are_small_and_their_licence_lies_beside_them():
    assert WEIGHTS.stat().st_size < 1_400_000
    assert "Apache License" in (WEIGHTS.parent / "LICENSE-speech.txt").read_text()
    assert "Google" in (WEIGHTS.parent / "NOTICE-speech.txt").read_text()


# ------------------------------------------------------------------------------------------ in a model


WORDS = WaveformSpec(rate=8_000)


def speech(finetune: float = 0.0) -> EncoderConfig:
    return EncoderConfig(kind="speech", finetune=finetune)


def test_an_encoder_brings_its_front_end():
    assert features_for(speech(), WORDS).kind == "speech"
    assert features_for(speech(0.1), WORDS).kind == "speech-maps"
    assert features_for(EncoderConfig(), WORDS).kind is None
    with pytest.raises(ConfigError, match="the encoder speech needs the front end speech, got mfcc"):
        features_for(EncoderConfig(kind="speech", features=FeaturesConfig(kind="mfcc")), WORDS)


def test_a_setting_of_another_front_end_is_refused():
    with pytest.raises(ConfigError, match=r"features.filters has no effect on the front end speech"):
        front_end(FeaturesConfig(kind="speech", filters=40), WaveformSpec(rate=8_000))


def trained(finetune: float) -> Classifier:
    data = tiny_data()
    config = tiny_config(1, tiny_model())
    named = {"image": config.model.of("image", "picture"), "audio": speech(finetune)}
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, named=named))
    *_, last = (step for step in learn(*prepared(data, config)) if isinstance(step, Epoch))
    assert last.model is not None
    return last.model


def test_pretrained_weights_learn_only_when_asked():
    """And what does not learn is not saved with the model, since it is always the same."""
    still, further = trained(0.0), trained(0.1)
    assert not [n for n in still.state_dict() if n.startswith("front_ends.audio.features")]
    learned = dict(further.encoders["audio"].get_submodule("network.0").named_parameters())
    assert list(learned) == [f"{part}_{n}" for n in range(GENERAL, DEPTH) for part in ("weight", "bias")]
    published = dict(SpeechEmbedding().named_parameters())
    assert all((weight - published[name]).abs().max() > 0 for name, weight in learned.items())
    assert not [n for n in further.state_dict() if n.startswith("front_ends.audio.features")]


def test_a_run_that_has_the_fixed_weights_opens_too():
    still = trained(0.0).state_dict()
    older = still | {"front_ends.audio.features.1.convolutions.0.weight": torch.zeros(24, 1, 3, 3)}
    assert list(upgraded_state(older, "posterior-sum", {})) == list(still)


def test_a_network_to_be_trained_further_starts_as_the_published_one():
    """Its first convolutions are in the front end, and nothing is normalised on the way."""
    spec = WaveformSpec(rate=16_000)
    model = build(ModelConfig(named={"clip": speech(0.1)}), Spec(("a", "b"), {"clip": spec})).eval()
    clip = torch.from_numpy(sweep()[None])
    found = model.encoders["clip"].get_submodule("network")(model.front_ends["clip"](clip))
    torch.testing.assert_close(found, SpeechEmbedding()(energies(sweep())), rtol=1e-4, atol=1e-3)


def test_only_the_pretrained_network_has_a_rate_of_its_own():
    """Another encoder may have a part called `network`: it learns as everything does."""
    config = tiny_config(1, tiny_model()).naming({"image": "picture", "audio": "waveform"})
    named = {"image": config.model.named["image"], "audio": speech(finetune=0.1)}
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, named=named))
    model = build(config.model, tiny_data().spec)
    own = torch.nn.Linear(2, 2)
    model.encoders["image"].network = own
    training = Training(model, config, steps=10)
    rates = {
        weight: group["scale"] for group in training.optimizer.param_groups for weight in group["params"]
    }
    network = model.encoders["audio"].get_submodule("network")
    assert {rates[weight] for weight in network.parameters()} == {0.1}
    others = rates.keys() - set(network.parameters())
    assert set(own.parameters()) <= others
    assert {rates[weight] for weight in others} == {1.0}


def test_it_is_for_recordings_alone():
    with pytest.raises(
        ConfigError, match=r"the encoder speech is not for the kind vector. Choose one of: mlp"
    ):
        build(ModelConfig(named={"clip": speech()}), Spec(("a", "b"), {"clip": VectorSpec(8)}))
