"""Features are what a plain float64 computation says they are, in torch and exported, for any batch."""

import dataclasses
import warnings
from pathlib import Path

import librosa
import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seesay.config import AudioSpec
from seesay.errors import ConfigError
from seesay.signal.audio import as_content, read_audio
from seesay.signal.features import (
    FLOOR,
    LogMel,
    Mfcc,
    Normaliser,
    audio_features,
    cosine_basis,
    front_end,
    mel_filters,
)

MFCC = AudioSpec()
LOG_MEL = AudioSpec(features="log-mel")
SPECS = [
    MFCC,
    LOG_MEL,
    AudioSpec(rate=8_000),
    AudioSpec(rate=11_025, features="log-mel", seconds=0.7),  # an odd window: 551 samples
    AudioSpec(features="log-mel", filters=80, window=0.064, shift=0.010, high=8_000.0, low=0.0),
]


def noise(spec: AudioSpec, rows: int = 3, seed: int = 0, loud: float = 0.1) -> Tensor:
    return loud * torch.randn(rows, spec.samples, generator=torch.Generator().manual_seed(seed))


def reference(waveform: np.ndarray, spec: AudioSpec) -> np.ndarray:
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
        rows.append(log_mel if spec.features == "log-mel" else [*cepstra, energy])
    return np.array(rows)


# ------------------------------------------------------------------------------------------ the right numbers


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_features_are_those_of_a_plain_float64_computation(spec: AudioSpec) -> None:
    waveforms = noise(spec)
    features = front_end(spec)(waveforms)
    assert features.shape == (3, *spec.shape)
    assert features.dtype == torch.float32
    for row, waveform in zip(features, waveforms, strict=True):
        assert np.abs(row.numpy() - reference(waveform.numpy(), spec)).max() < 1e-4


def test_one_second_gives_39_frames_of_12_cepstra_and_the_energy() -> None:
    assert Mfcc(MFCC)(noise(MFCC, 1)).shape == (1, 39, 13)


@pytest.mark.parametrize("filters", [20, 40, 80])
@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_the_filter_bank_is_librosas(rate: int, filters: int) -> None:
    spec = AudioSpec(rate=rate, filters=filters)
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
        LogMel(AudioSpec(features="log-mel", filters=filters, window=window))


def test_a_tone_is_found_in_the_filter_around_it() -> None:
    time = torch.arange(MFCC.samples) / MFCC.rate
    centres = librosa.mel_frequencies(42, fmin=20, fmax=4_000, htk=True)[1:-1]
    for number in (5, 20, 35):
        features = LogMel(LOG_MEL)(torch.sin(2 * torch.pi * float(centres[number]) * time)[None])
        assert (features.argmax(-1) == number).all()
        assert abs(features.max() + np.log(FLOOR)) < 1  # full scale is 80 dB above silence


# ------------------------------------------------------------------------------------------------- properties


@pytest.mark.parametrize("spec", [MFCC, LOG_MEL], ids=["mfcc", "log-mel"])
def test_digital_silence_is_zero_and_not_far_from_a_quiet_room(spec: AudioSpec) -> None:
    silence = front_end(spec)(torch.zeros(1, spec.samples, dtype=torch.int16))
    room = front_end(spec)(noise(spec, 1, loud=10 ** (-65 / 20)))
    assert torch.equal(silence, torch.zeros_like(silence))
    assert room.abs().mean() < 3  # of some 15 between silence and speech


@given(seed=st.integers(0, 2**32), gain=st.floats(1.2, 4.0))
@settings(max_examples=10)
def test_louder_shifts_the_logarithms_by_a_constant_and_leaves_the_cepstra(seed: int, gain: float) -> None:
    """Twice as loud is ln 4, 6 dB."""
    waveforms = noise(MFCC, 1, seed, loud=0.2)
    shift = 2 * np.log(gain)
    difference = LogMel(LOG_MEL)(gain * waveforms) - LogMel(LOG_MEL)(waveforms)
    assert torch.allclose(difference, torch.full_like(difference, shift), atol=2e-2)
    difference = Mfcc(MFCC)(gain * waveforms) - Mfcc(MFCC)(waveforms)
    assert difference[..., :-1].abs().max() < 2e-2
    assert (difference[..., -1] - shift).abs().max() < 1e-3


@given(seed=st.integers(0, 2**32), frames=st.integers(1, 10))
@settings(max_examples=10)
def test_a_recording_moved_by_whole_shifts_moves_its_frames(seed: int, frames: int) -> None:
    waveforms = noise(MFCC, 1, seed)
    moved = torch.roll(waveforms, frames * 400, dims=1)
    features, later = Mfcc(MFCC)(waveforms), Mfcc(MFCC)(moved)
    assert torch.allclose(later[:, frames:], features[:, :-frames], atol=1e-4)


@given(seed=st.integers(0, 2**32), rows=st.integers(2, 9))
@settings(max_examples=10)
def test_a_row_does_not_see_its_neighbours(seed: int, rows: int) -> None:
    waveforms = noise(MFCC, rows, seed)
    alone = Mfcc(MFCC)(waveforms[:1])
    waveforms[1:] = torch.nan
    assert torch.allclose(Mfcc(MFCC)(waveforms)[:1], alone, atol=1e-5)


def test_sound_above_the_highest_filter_is_no_energy() -> None:
    """Sources of 8 kHz have none of it, so it would tell the source."""
    hiss = 0.1 * torch.sin(2 * torch.pi * 6_000 * torch.arange(MFCC.samples) / MFCC.rate)
    quiet = noise(MFCC, 1, loud=0.01)
    assert (Mfcc(MFCC)(quiet + hiss) - Mfcc(MFCC)(quiet)).abs().max() < 0.1


def test_contents_and_their_waveforms_have_the_same_features() -> None:
    content = (noise(MFCC) * 32_768).to(torch.int16)
    module = front_end(MFCC)
    assert torch.equal(module(content), module(content / 32_768))
    assert torch.allclose(module(content), module((content / 32_768).half()), atol=0.2)


# ------------------------------------------------------------------------------------------------- normaliser


def test_the_normaliser_makes_columns_of_mean_zero_and_deviation_one() -> None:
    random = np.random.default_rng(0)
    features = random.normal([1.0, -2.0, 300.0], [0.1, 5.0, 20.0], (40, 39, 3)).astype(np.float32)
    normalised = Normaliser(*Normaliser.fit(features))(torch.from_numpy(features))
    assert normalised.mean((0, 1)).abs().max() < 1e-3
    assert (normalised.std((0, 1)) - 1).abs().max() < 1e-3


@pytest.mark.parametrize("value", [0.0, 0.1, -18.42, 1e6])
def test_a_column_that_never_changes_becomes_zero_and_not_infinite(value: float) -> None:
    features = np.full((50, 39, 1), value, np.float32)
    mean, scale = Normaliser.fit(features)
    assert scale == (1.0,)
    assert Normaliser(mean, scale)(torch.from_numpy(features)).abs().max() < 1e-6 * max(1, abs(value))


def test_a_spec_with_mean_and_scale_is_normalised_by_its_front_end() -> None:
    waveforms = noise(MFCC)
    plain = front_end(MFCC)(waveforms)
    mean, scale = Normaliser.fit(plain.numpy())
    assert torch.allclose(
        front_end(AudioSpec(mean=mean, scale=scale))(waveforms),
        (plain - torch.tensor(mean)) / torch.tensor(scale),
    )


@pytest.mark.parametrize(("means", "scales"), [(2, 0), (0, 2), (1, 1), (3, 2)])
def test_a_normaliser_that_does_not_fit_is_refused(means: int, scales: int) -> None:
    spec = AudioSpec(features="unknown", frames=20, columns=2, mean=(0.0,) * means, scale=(1.0,) * scales)
    with pytest.raises(ConfigError, match="2 columns"):
        front_end(spec)


def test_a_normaliser_that_would_divide_by_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="positive scale"):
        front_end(AudioSpec(mean=(0.0,) * 13, scale=(1.0,) * 12 + (0.0,)))


def test_ready_made_features_pass_and_are_normalised_if_the_spec_says_so() -> None:
    features = torch.randn(4, 20, 2, generator=torch.Generator().manual_seed(0))
    plain = AudioSpec(features="unknown", frames=20, columns=2)
    assert torch.equal(front_end(plain)(features), features)
    assert front_end(plain)(features.half()).dtype == torch.float32
    scaled = AudioSpec(features="unknown", frames=20, columns=2, mean=(1.0, 2.0), scale=(2.0, 4.0))
    assert torch.allclose(
        front_end(scaled)(features), (features - torch.tensor([1, 2])) / torch.tensor([2, 4])
    )


def test_front_ends_add_nothing_to_saved_weights() -> None:
    """Everything in them follows from the spec, which is saved too: two copies could differ."""
    assert not front_end(AudioSpec(mean=(0.0,) * 13, scale=(1.0,) * 13)).state_dict()


def test_a_table_of_contents_is_done_in_batches_and_may_be_memory_mapped(tmp_path: Path) -> None:
    contents = (noise(MFCC, 7) * 32_768).to(torch.int16)
    np.save(tmp_path / "audio.npy", contents.numpy())
    features = audio_features(np.load(tmp_path / "audio.npy", mmap_mode="r"), MFCC, batch=3)
    assert features.dtype == np.float32
    assert np.allclose(features, front_end(MFCC)(contents).numpy(), atol=1e-5)


def test_an_empty_table_has_no_features() -> None:
    assert audio_features(np.zeros((0, MFCC.samples), np.int16), MFCC).shape == (0, 39, 13)


# ----------------------------------------------------------------------------------------------------- export


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "kind"), [(MFCC, torch.int16), (LOG_MEL, torch.float32)], ids=["mfcc", "log-mel"]
)
def test_the_exported_front_end_gives_the_same_features_for_any_batch(
    spec: AudioSpec, kind: torch.dtype, tmp_path: Path
) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    spec = dataclasses.replace(spec, mean=(-3.0,) * spec.columns, scale=(2.0,) * spec.columns)
    module = front_end(spec)

    def some(rows: int) -> Tensor:
        waveforms = noise(spec, rows, seed=rows)
        waveforms[0, spec.samples // 2 :] = 0  # digital silence too
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
    contents = np.stack([as_content(read_audio(path, LOG_MEL)) for path in paths])
    features = audio_features(contents, LOG_MEL)
    assert np.isfinite(features).all()
    assert 0 <= features.min() < features.max() < -np.log(FLOOR) + 1
    loudness = features.mean(axis=2)
    assert (loudness[:, 10:29].max(axis=1) > loudness[:, [0, -1]].max(axis=1)).mean() > 0.95
