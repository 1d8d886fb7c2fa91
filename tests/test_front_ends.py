"""Features are what a plain float64 computation says they are, in torch and exported, for any batch."""

import warnings
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seesay.config import FeaturesConfig
from seesay.data.ragged import as_table
from seesay.errors import ConfigError
from seesay.signal.audio import as_content, read_audio
from seesay.signal.clip import Clip
from seesay.signal.feature_settings import Analysis, analysis_of, settled_features
from seesay.signal.front_ends import (
    FLOOR,
    Fit,
    FrontEnd,
    LogMel,
    Mfcc,
    Normaliser,
    ReadyMade,
    UnitRange,
    cosine_basis,
    features_of_contents,
    front_end,
    mel_filters,
)
from seesay.spec import ContentSpec, MatrixSpec, PictureSpec, VectorSpec, WaveformSpec

CLIPS = WaveformSpec(high=4_000.0)
MFCC = FeaturesConfig(kind="mfcc")
LOG_MEL = FeaturesConfig(kind="log-mel")
CEPSTRA, SPECTRA = analysis_of(MFCC, CLIPS), analysis_of(LOG_MEL, CLIPS)
FRONT_ENDS = [
    (MFCC, CLIPS),
    (LOG_MEL, CLIPS),
    (MFCC, WaveformSpec(rate=8_000)),
    (LOG_MEL, WaveformSpec(rate=11_025, seconds=0.7, high=4_000.0)),  # an odd window: 551 samples
    (FeaturesConfig("log-mel", filters=80, window=0.064, shift=0.010, low=0.0), WaveformSpec()),
]


def noise(rows: int = 3, seed: int = 0, loud: float = 0.1, spec: WaveformSpec = CLIPS) -> Tensor:
    return loud * torch.randn(rows, spec.samples, generator=torch.Generator().manual_seed(seed))


def normaliser(module: FrontEnd) -> Normaliser:
    """The last step."""
    step = module.get_submodule("normaliser")
    assert isinstance(step, Normaliser)
    return step


def reference(waveform: np.ndarray, spec: Analysis) -> np.ndarray:
    """The same recipe written plainly, in float64, with numpy's FFT and librosa's filters."""
    window, shift = round(spec.rate * spec.window), round(spec.rate * spec.shift)
    length = 1 << (window - 1).bit_length()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # librosa warns of empty filters
        filters = librosa.filters.mel(
            sr=spec.rate,
            n_fft=length,
            n_mels=spec.filters,
            fmin=spec.low,
            fmax=spec.high,
            htk=True,
            norm=None,
        )
    hann = np.sin(np.pi * np.arange(window) / window) ** 2
    rows = []
    for start in range(0, len(waveform) - window + 1, shift):
        frame = waveform[start : start + window].astype(np.float64) * hann
        mel = filters @ (np.abs(np.fft.rfft(frame, length)) * 2 / hann.sum()) ** 2
        log_mel = np.log(1 + mel / 1e-8)
        cepstra = scipy.fft.dct(log_mel, type=2, norm="ortho")[1 : spec.coefficients + 1]
        energy = np.log(1 + mel.sum() / 1e-8)
        rows.append(log_mel if spec.kind == "log-mel" else [*cepstra, energy])
    return np.array(rows)


# ------------------------------------------------------------------------------------------ the right numbers


@pytest.mark.parametrize(("settings", "spec"), FRONT_ENDS)
def test_features_are_those_of_a_plain_float64_computation(
    settings: FeaturesConfig, spec: WaveformSpec
) -> None:
    waveforms, analysis = noise(spec=spec), analysis_of(settings, spec)
    features = front_end(settings, spec)(waveforms)
    assert features.shape == (3, analysis.frames, analysis.columns)
    assert features.dtype == torch.float32
    for row, waveform in zip(features, waveforms, strict=True):
        assert np.abs(row.numpy() - reference(waveform.numpy(), analysis)).max() < 1e-4


def test_one_second_gives_39_frames_of_12_cepstra_and_the_energy() -> None:
    assert Mfcc(CEPSTRA)(noise(1)).shape == (1, 39, 13)


@pytest.mark.parametrize("filters", [20, 40, 80])
@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_the_filter_bank_is_librosas(rate: int, filters: int) -> None:
    spec = analysis_of(FeaturesConfig(filters=filters), WaveformSpec(rate, high=4_000.0))
    length = 512 * rate // 8_000
    theirs = librosa.filters.mel(
        sr=rate, n_fft=length, n_mels=filters, fmin=spec.low, fmax=spec.high, htk=True, norm=None
    )
    ours = mel_filters(spec, length)
    assert np.abs(ours - theirs).max() < 1e-6
    assert ours.max(axis=1).min() > 0.5, "a filter is next to empty"


def test_the_cosine_basis_is_the_orthonormal_dct() -> None:
    log_mel = np.random.default_rng(0).normal(size=(5, 40))
    theirs = scipy.fft.dct(log_mel, type=2, norm="ortho")[:, 1:13]
    assert np.abs(log_mel @ cosine_basis(40, 12) - theirs).max() < 1e-12


@pytest.mark.parametrize(("filters", "window", "named"), [(80, 0.0125, "1"), (300, 0.050, "1, 4")])
def test_a_filter_between_two_lines_of_the_spectrum_is_refused(
    filters: int, window: float, named: str
) -> None:
    with pytest.raises(ConfigError, match=rf"mel filter .*{named}.* of {filters} .*Use fewer filters"):
        LogMel(analysis_of(FeaturesConfig("log-mel", filters=filters, window=window), CLIPS))


def test_a_tone_is_found_in_the_filter_around_it() -> None:
    time = torch.arange(CLIPS.samples) / CLIPS.rate
    centres = librosa.mel_frequencies(42, fmin=20, fmax=4_000, htk=True)[1:-1]
    for number in (5, 20, 35):
        features = LogMel(SPECTRA)(torch.sin(2 * torch.pi * float(centres[number]) * time)[None])
        assert (features.argmax(-1) == number).all()
        assert abs(features.max() + np.log(FLOOR)) < 1  # full scale is 80 dB above silence


# ------------------------------------------------------------------------------------------------- properties


@pytest.mark.parametrize("settings", [MFCC, LOG_MEL], ids=["mfcc", "log-mel"])
def test_digital_silence_is_zero_and_not_far_from_a_quiet_room(settings: FeaturesConfig) -> None:
    silence = front_end(settings, CLIPS)(torch.zeros(1, CLIPS.samples, dtype=torch.int16))
    room = front_end(settings, CLIPS)(noise(1, loud=10 ** (-65 / 20)))
    assert torch.equal(silence, torch.zeros_like(silence))
    assert room.abs().mean() < 3  # of some 15 between silence and speech


@given(seed=st.integers(0, 2**32), gain=st.floats(1.2, 4.0))
@settings(max_examples=10)
def test_louder_shifts_the_logarithms_by_a_constant_and_leaves_the_cepstra(seed: int, gain: float) -> None:
    """Twice as loud is ln 4, 6 dB."""
    waveforms = noise(1, seed, loud=0.2)
    shift = 2 * np.log(gain)
    difference = LogMel(SPECTRA)(gain * waveforms) - LogMel(SPECTRA)(waveforms)
    assert torch.allclose(difference, torch.full_like(difference, shift), atol=2e-2)
    difference = Mfcc(CEPSTRA)(gain * waveforms) - Mfcc(CEPSTRA)(waveforms)
    assert difference[..., :-1].abs().max() < 2e-2
    assert (difference[..., -1] - shift).abs().max() < 1e-3


@given(seed=st.integers(0, 2**32), frames=st.integers(1, 10))
@settings(max_examples=10)
def test_a_recording_moved_by_whole_shifts_moves_its_frames(seed: int, frames: int) -> None:
    waveforms = noise(1, seed)
    moved = torch.roll(waveforms, frames * 400, dims=1)
    features, later = Mfcc(CEPSTRA)(waveforms), Mfcc(CEPSTRA)(moved)
    assert torch.allclose(later[:, frames:], features[:, :-frames], atol=1e-4)


@given(seed=st.integers(0, 2**32), rows=st.integers(2, 9))
@settings(max_examples=10)
def test_a_row_does_not_see_its_neighbours(seed: int, rows: int) -> None:
    waveforms = noise(rows, seed)
    alone = Mfcc(CEPSTRA)(waveforms[:1])
    waveforms[1:] = torch.nan
    assert torch.allclose(Mfcc(CEPSTRA)(waveforms)[:1], alone, atol=1e-5)


@given(seed=st.integers(0, 2**32), length=st.integers(1, 40_000))
@settings(max_examples=10)
def test_recordings_of_any_length_are_cut_or_padded_first(seed: int, length: int) -> None:
    recordings = torch.randint(-9_999, 9_999, (2, length), generator=torch.Generator().manual_seed(seed))
    clips = Clip(CLIPS.samples, CLIPS.rate)(recordings.to(torch.int16))
    assert (clips.shape, clips.dtype) == ((2, CLIPS.samples), torch.int16)
    module = front_end(MFCC, CLIPS)
    assert torch.equal(module(recordings.to(torch.int16)), module(clips))


def test_a_clip_can_be_longer_than_most_recordings_are() -> None:
    module = front_end(FeaturesConfig(kind="mfcc", seconds=2.0), CLIPS)
    assert module(noise()).shape == (3, 79, 13)


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(16, 16), (5, 40), (64, 40)])
def test_pictures_of_any_size_become_one(size: tuple[int, int], how: Any) -> None:
    module = front_end(FeaturesConfig(height=16, width=12, fit=how), PictureSpec(reader="photo"))
    white = module(torch.full((2, 1, *size), 255, dtype=torch.uint8))
    assert white.shape == (2, 1, 16, 12)
    assert 0 <= white.min() <= white.max() == 1
    assert (how == "pad") == bool((white == 0).any()), "there is black beside it only if it is padded"


def test_sound_above_the_highest_filter_is_no_energy() -> None:
    """Sources of 8 kHz have none of it, so it would tell the source."""
    hiss = 0.1 * torch.sin(2 * torch.pi * 6_000 * torch.arange(CLIPS.samples) / CLIPS.rate)
    quiet = noise(1, loud=0.01)
    assert (Mfcc(CEPSTRA)(quiet + hiss) - Mfcc(CEPSTRA)(quiet)).abs().max() < 0.1


def test_contents_and_their_waveforms_have_the_same_features() -> None:
    content = (noise() * 32_768).to(torch.int16)
    module = front_end(MFCC, CLIPS)
    assert torch.equal(module(content), module(content / 32_768))
    assert torch.allclose(module(content), module((content / 32_768).half()), atol=0.2)


# ------------------------------------------------------------------------------------------------- normaliser


def test_the_normaliser_makes_columns_of_mean_zero_and_deviation_one() -> None:
    random = np.random.default_rng(0)
    features = random.normal([1.0, -2.0, 300.0], [0.1, 5.0, 20.0], (40, 39, 3)).astype(np.float32)
    normaliser = Normaliser(3)
    normaliser.fit(features)
    normalised = normaliser(torch.from_numpy(features))
    assert normalised.mean((0, 1)).abs().max() < 1e-3
    assert (normalised.std((0, 1)) - 1).abs().max() < 1e-3


def test_vectors_are_normalised_by_their_numbers() -> None:
    vectors = np.array([[0.0, 5.0], [4.0, 5.0]], np.float32)
    normaliser = Normaliser(2)
    normaliser.fit(vectors)
    assert (normaliser.mean.tolist(), normaliser.scale.tolist()) == ([2, 5], [2, 1])
    assert normaliser(torch.from_numpy(vectors)).tolist() == [[-1, 0], [1, 0]]


def test_what_was_fitted_before_is_forgotten() -> None:
    random = np.random.default_rng(0)
    other, features = (random.normal(size=(4, 5, 3)).astype(np.float32) for _ in range(2))
    once, twice = Normaliser(3), Normaliser(3)
    once.fit(features)
    twice.fit(other)
    assert not torch.equal(twice.mean, once.mean)
    twice.fit(features)
    assert torch.equal(twice.mean, once.mean)
    assert torch.equal(twice.scale, once.scale)


@pytest.mark.parametrize("value", [0.0, 0.1, -18.42, 1e6])
def test_a_column_that_never_changes_becomes_zero_and_not_infinite(value: float) -> None:
    features = np.full((50, 39, 1), value, np.float32)
    normaliser = Normaliser(1)
    normaliser.fit(features)
    assert normaliser.scale.tolist() == [1.0]
    assert normaliser(torch.from_numpy(features)).abs().max() < 1e-6 * max(1, abs(value))


def test_a_front_end_ends_with_its_normaliser() -> None:
    waveforms = noise()
    module = front_end(MFCC, CLIPS)
    plain = module(waveforms)
    assert torch.equal(plain, Mfcc(CEPSTRA)(waveforms)), "until it is fitted nothing happens"
    normaliser(module).fit(plain.numpy())
    mean, scale = normaliser(module).mean, normaliser(module).scale
    assert torch.allclose(module(waveforms), (plain - mean) / scale)


@pytest.mark.parametrize(("means", "scales"), [(2, 0), (0, 2), (1, 1), (3, 2)])
def test_numbers_of_other_columns_are_refused(means: int, scales: int) -> None:
    module = front_end(FeaturesConfig(), MatrixSpec(20, 2))
    state = {"normaliser.mean": torch.zeros(means), "normaliser.scale": torch.ones(scales)}
    with pytest.raises(RuntimeError, match="size mismatch for normaliser"):
        module.load_state_dict(state)


def test_ready_made_features_pass_and_are_normalised() -> None:
    features = torch.randn(4, 20, 2, generator=torch.Generator().manual_seed(0))
    module = front_end(FeaturesConfig(), MatrixSpec(20, 2))
    assert torch.equal(module(features), features)
    assert module(features.half()).dtype == torch.float32
    normaliser(module).mean.copy_(torch.tensor([1.0, 2.0]))
    normaliser(module).scale.copy_(torch.tensor([2.0, 4.0]))
    assert torch.allclose(module(features), (features - torch.tensor([1, 2])) / torch.tensor([2, 4]))


def test_front_ends_add_nothing_but_the_normaliser_to_saved_weights() -> None:
    """Everything else in them follows from the config, which is saved too: two copies could differ."""
    assert set(front_end(MFCC, CLIPS).state_dict()) == {"normaliser.mean", "normaliser.scale"}
    assert not front_end(FeaturesConfig(), PictureSpec()).state_dict()


# ------------------------------------------------------------------------------------------------- front ends


@pytest.mark.parametrize(
    ("settings", "spec", "steps"),
    [
        (FeaturesConfig(), CLIPS, {"clip": Clip, "features": Mfcc, "normaliser": Normaliser}),
        (LOG_MEL, CLIPS, {"clip": Clip, "features": LogMel, "normaliser": Normaliser}),
        (FeaturesConfig(), MatrixSpec(3, 2), {"features": ReadyMade, "normaliser": Normaliser}),
        (FeaturesConfig(), VectorSpec(3), {"features": ReadyMade, "normaliser": Normaliser}),
        (FeaturesConfig(), PictureSpec(), {"fit": Fit, "features": UnitRange}),
    ],
    ids=["mfcc", "log-mel", "matrix", "vector", "picture"],
)
def test_a_front_end_is_named_steps_and_the_settings_that_they_follow_from(
    settings: FeaturesConfig, spec: ContentSpec, steps: dict[str, Any]
) -> None:
    module = front_end(settings, spec)
    assert {name: type(step) for name, step in module.named_children()} == steps
    assert module.settings == settled_features(settings, spec)


def test_bytes_become_fractions_exactly_and_floats_keep_their_values() -> None:
    """Nothing is resampled where the size is right."""
    module = front_end(FeaturesConfig(), PictureSpec(height=16, width=16))
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(module(every), every.float() / 255)
    assert module(every).dtype == torch.float32
    assert torch.equal(module(every.double() - 7), every.float() - 7)


# ----------------------------------------------------------------------------------------------------- export


@pytest.mark.parametrize(
    ("settings", "kind"), [(MFCC, torch.int16), (LOG_MEL, torch.float32)], ids=["mfcc", "log-mel"]
)
def test_the_exported_front_end_gives_the_same_features_for_any_batch(
    settings: FeaturesConfig, kind: torch.dtype, tmp_path: Path
) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    module = front_end(settings, CLIPS)
    normaliser(module).mean.fill_(-3.0)
    normaliser(module).scale.fill_(2.0)

    def some(rows: int) -> Tensor:
        waveforms = noise(rows, seed=rows)
        waveforms[0, CLIPS.samples // 2 :] = 0  # digital silence too
        return waveforms if kind.is_floating_point else (waveforms * 32_768).to(kind)

    exported = torch.export.export(module, (some(2),), dynamic_shapes=({0: torch.export.Dim("b")},))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.`", FutureWarning)  # torch's own
        program = torch.onnx.export(exported, dynamo=True, verbose=False)
    assert program is not None
    program.save(tmp_path / "front_end.onnx")
    session = runtime.InferenceSession(tmp_path / "front_end.onnx", providers=["CPUExecutionProvider"])
    for rows in (1, 2, 5):
        expected = module(some(rows)).numpy()
        assert np.abs(exported.module()(some(rows)).numpy() - expected).max() < 1e-5
        (found,) = session.run(None, {session.get_inputs()[0].name: some(rows).numpy()})
        assert np.abs(found - expected).max() < 1e-4


# ------------------------------------------------------------------------------------------------- real clips


def test_real_words_look_like_words(shared_data: Path) -> None:
    """Trimmed or not, at 8 or 16 kHz: loudest in the middle of the clip, and never above full scale."""
    paths = [
        *sorted((shared_data / "fsdd").glob("*.wav"))[::251],
        *(shared_data / "speech_commands").glob("s*/*"),
    ]
    contents = as_table([as_content(read_audio(path, CLIPS)) for path in paths])
    features = features_of_contents(front_end(LOG_MEL, CLIPS), contents).numpy()
    assert np.isfinite(features).all()
    assert 0 <= features.min() < features.max() < -np.log(FLOOR) + 1
    loudness = features.mean(axis=2)
    assert (loudness[:, 10:29].max(axis=1) > loudness[:, [0, -1]].max(axis=1)).mean() > 0.95
