"""Whatever comes in as a recording comes out as a clip of the right rate and length, or is refused in one
line."""

import io
import struct
import sys
import tracemalloc
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seesay.errors import InputError
from seesay.signal.audio import (
    Facts,
    Source,
    as_content,
    facts_of,
    read_audio,
    read_waveform,
)
from seesay.signal.clip import Clip
from seesay.signal.ready_made import read_ready_made
from seesay.spec import MatrixSpec, VectorSpec, WaveformSpec

SPEC = WaveformSpec()
RATE = SPEC.rate
READY_MADE = MatrixSpec(39, 13)
VECTOR = VectorSpec(6)


def tone(seconds: float = 1.0, rate: int = RATE, hertz: float = 440.0, peak: float = 0.5) -> np.ndarray:
    """A sine, whole periods of it where seconds x hertz is whole."""
    return (peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded(samples: np.ndarray, rate: int = RATE, kind: str = "WAV", depth: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=depth)
    return file.getvalue()


def wav(
    data: bytes,
    rate: int = RATE,
    channels: int = 1,
    bits: int = 16,
    kind: int = 1,
    data_length: int | None = None,
    riff_length: int | None = None,
) -> bytes:
    """A WAV file whose header says whatever it is told to say."""
    frame = channels * bits // 8
    header = struct.pack("<IHHIIHH", 16, kind, channels, rate, rate * frame % 2**32, frame % 2**16, bits)
    riff = struct.pack("<I", 36 + len(data) if riff_length is None else riff_length)
    length = struct.pack("<I", len(data) if data_length is None else data_length)
    return b"RIFF" + riff + b"WAVEfmt " + header + b"data" + length + data


def clip_around_word(waveform: np.ndarray, samples: int) -> np.ndarray:
    """What a model hears of it."""
    return Clip(samples, RATE)(torch.from_numpy(waveform)[None])[0].numpy()


PCM = (tone() * 32_767).astype("<i2").tobytes()


# ------------------------------------------------------------------------------------------- what can be read


@pytest.mark.parametrize(
    ("kind", "depth", "error"),
    [
        ("WAV", "PCM_U8", 1e-2),
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 1e-6),
        ("WAV", "DOUBLE", 1e-6),
        ("FLAC", "PCM_16", 1e-4),
        ("FLAC", "PCM_24", 1e-6),
        ("AIFF", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 0.1),
        ("OGG", "OPUS", 0.1),
        ("MP3", None, 0.1),
        *(
            (kind, "PCM_16", 1e-4)
            for kind in ("AU", "CAF", "W64", "VOC", "NIST", "SVX", "IRCAM", "AVR", "PVF")
        ),
    ],
)
def test_every_format_gives_the_waveform_that_was_written(kind: str, depth: str | None, error: float) -> None:
    waveform = read_waveform(encoded(tone(), kind=kind, depth=depth), RATE)
    assert waveform.dtype == np.float32
    assert waveform.shape == (RATE,)
    inner = slice(1_000, -1_000)  # codecs are not exact at the edges; one sample late would be 0.17 off
    assert np.abs(waveform - tone())[inner].max() < error


@pytest.mark.parametrize("rate", [4_000, 8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_every_rate_gives_the_same_tone_at_the_rate_asked_for(rate: int) -> None:
    waveform = read_waveform(encoded(tone(rate=rate), rate), RATE)
    assert abs(len(waveform) - RATE) <= 1
    inner = slice(1_000, -1_000)  # the filter rings where the tone is cut off
    assert np.abs(waveform[:RATE] - tone()[: len(waveform)])[inner].max() < 2e-3


def test_a_recording_longer_than_a_block_is_converted_without_a_seam() -> None:
    waveform = read_waveform(encoded(tone(5, 44_100), 44_100), RATE)
    assert np.abs(waveform - tone(5)[: len(waveform)])[1_000:-1_000].max() < 2e-3


def test_what_lies_above_half_the_rate_asked_for_does_not_come_back_as_another_tone() -> None:
    both = tone(hertz=11_000, rate=48_000) + tone(hertz=440, rate=48_000)
    high = read_waveform(encoded(both, 48_000, depth="FLOAT"), RATE)
    assert np.abs(high - tone()[: len(high)])[1_000:-1_000].max() < 2e-3


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_channels_are_averaged(kind: str) -> None:
    stereo = np.stack([tone(peak=0.6), tone(peak=0.2)], axis=1)
    waveform = read_waveform(encoded(stereo, kind=kind), RATE)
    assert np.abs(waveform - tone(peak=0.4))[1_000:-1_000].max() < 0.03


def test_bytes_path_and_name_are_the_same_recording(tmp_path: Path) -> None:
    data = encoded(tone(hertz=500))
    path = tmp_path / "eight ü.wav"
    path.write_bytes(data)
    expected = read_waveform(data, RATE)
    assert np.array_equal(read_waveform(path, RATE), expected)
    assert np.array_equal(read_waveform(str(path), RATE), expected)


@pytest.mark.parametrize("kind", ["int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("channels", [0, 1, 2])
def test_arrays_as_a_microphone_widget_hands_them_over(kind: str, channels: int) -> None:
    """`(n,)` or `(n, channels)`, whole numbers by their width or floats."""
    full = np.iinfo(kind).max if kind.startswith("int") else 1.0
    samples = (tone().astype(np.float64) * full).astype(kind)
    if channels:
        samples = np.repeat(samples[:, None], channels, axis=1)
    assert np.abs(read_waveform((samples, RATE), RATE) - tone()).max() < 1e-3


def test_unsigned_bytes_are_centred_on_128() -> None:
    samples = np.rint(tone() * 127 + 128).astype(np.uint8)
    assert np.abs(read_waveform((samples, RATE), RATE) - tone()).max() < 0.02


def test_a_file_and_its_array_give_the_same_waveform() -> None:
    samples = (tone(rate=8_000) * 32_767).astype(np.int16)
    assert np.array_equal(read_waveform(encoded(samples, 8_000), RATE), read_waveform((samples, 8_000), RATE))


def test_the_constant_offset_of_a_sound_card_is_gone() -> None:
    for rate in (RATE, 8_000):
        waveform = read_waveform((tone(rate=rate) + np.float32(0.2), rate), RATE)
        assert abs(waveform.mean()) < 1e-3
        assert np.abs(waveform[:50]).max() < 0.6  # no step at the edge either


@pytest.mark.parametrize(("peak", "heard"), [(0.001, 0.01), (0.02, 0.02)])
def test_a_very_quiet_clip_is_turned_up_and_no_other(peak: float, heard: float) -> None:
    """A word at -60 dB has to be the same word as at -40 dB."""
    recording = read_audio((tone(peak=peak), RATE), WaveformSpec(rate=RATE))
    assert abs(np.abs(recording).max() - heard) < 0.03 * heard


def noise(seconds: float, slope: float, level: float, seed: int) -> np.ndarray:
    """White (slope 0) to brown (1), its deviation `level` dB below full scale, in steps of 16 bits."""
    samples = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=samples))
    lines = np.maximum(np.arange(len(spectrum)), 20 * seconds)
    waveform = np.fft.irfft(spectrum / lines**slope, samples)
    return np.rint(waveform / waveform.std() * 10 ** (level / 20) * 32_768).astype(np.int16)


@pytest.mark.parametrize("slope", [0, 0.5, 1])
@pytest.mark.parametrize("seconds", [0.4, 1, 6])
@pytest.mark.parametrize("level", [-58, -62])
def test_noise_at_the_floor_is_no_word(slope: float, seconds: float, level: float) -> None:
    for seed in range(3):
        with pytest.raises(InputError, match="nothing but faint, steady noise"):
            read_audio((noise(seconds, slope, level, seed), RATE), SPEC)


def test_noise_behind_the_silence_that_a_microphone_begins_with_is_no_word() -> None:
    late = np.concatenate([np.zeros(1_600, np.int16), noise(1, 0, -60, 0)])
    with pytest.raises(InputError, match="faint, steady noise"):
        read_audio((late, RATE), SPEC)


def test_quiet_words_are_words(shared_data: Path) -> None:
    """Of all 3,338, 6 were refused when the reader was written: cut out within a quarter of a second."""
    refused = []
    paths = [*(shared_data / "fsdd").glob("*.wav"), *(shared_data / "speech_commands").glob("*/*.wav")]
    for path in sorted(paths)[::40]:
        word, rate = soundfile.read(path, dtype="float32")
        quiet = np.rint(word / np.abs(word).max() * 10 ** (-50 / 20) * 32_768).astype(np.int16)
        try:
            read_audio((quiet, rate), SPEC)
        except InputError:
            refused.append(path.name)
    assert len(refused) <= 2


def test_what_peaks_above_full_scale_is_turned_down_and_not_clipped() -> None:
    waveform = read_waveform((tone(peak=2.0), RATE), RATE)
    assert np.abs(waveform - tone(peak=1.0)).max() < 1e-5


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_content_keeps_sixteen_bits_exactly(seed: int) -> None:
    content = np.random.default_rng(seed).integers(-32_768, 32_768, 100).astype(np.int16)
    assert np.array_equal(as_content((content / 32_768).astype(np.float32)), content)


def test_full_scale_does_not_wrap_around_in_content() -> None:
    assert as_content(np.array([1.0, -1.0], np.float32)).tolist() == [32_767, -32_768]


# --------------------------------------------------------------------------------------------------- the clip


def test_a_shorter_recording_is_centred_on_silence() -> None:
    clip = clip_around_word(np.ones(5, np.float32), 10)
    assert clip.tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0, 0]


def test_a_recording_of_the_clips_length_is_the_clip() -> None:
    assert np.array_equal(clip_around_word(tone(), RATE), tone())


@given(start=st.integers(1_000, 8_000), length=st.integers(1, 999))
@settings(max_examples=50)
def test_a_word_shorter_than_the_clip_is_centred(start: int, length: int) -> None:
    waveform = np.zeros(10_000, np.float32)
    waveform[start : start + length] = 0.5
    clip = clip_around_word(waveform, 1_000)
    assert np.count_nonzero(clip) == length
    assert abs(np.flatnonzero(clip).mean() - 499.5) <= 1


def test_a_word_at_the_edge_of_the_recording_is_inside_its_clip() -> None:
    for start in (0, 10, 9_700):
        waveform = np.zeros(10_000, np.float32)
        waveform[start : start + 300] = 0.5
        assert np.count_nonzero(clip_around_word(waveform, 1_000)) >= 0.99 * 300


def test_a_word_in_a_noisy_room_is_centred_too() -> None:
    noise = np.random.default_rng(0).normal(0, 0.005, 5 * RATE).astype(np.float32)
    noise[40_000:48_000] += tone(0.5, peak=0.5)
    clip = clip_around_word(noise, RATE)
    loud = np.flatnonzero(np.abs(clip) > 0.1)
    assert abs((loud[0] + loud[-1]) / 2 - RATE / 2) < 0.02 * RATE


def test_the_louder_of_two_words_is_taken_and_never_the_gap_between_them() -> None:
    waveform = np.zeros(10_000, np.float32)
    waveform[1_000:1_400] = 0.5
    waveform[8_000:8_400] = 0.5
    assert np.count_nonzero(clip_around_word(waveform, 1_000)) == 400
    waveform[8_000:8_400] = 0.6
    assert clip_around_word(waveform, 1_000).max() == np.float32(0.6)


def test_a_word_longer_than_the_clip_fills_it() -> None:
    waveform = np.concatenate([np.zeros(1_000), tone(2), np.zeros(1_000)]).astype(np.float32)
    assert np.abs(clip_around_word(waveform, RATE)[:100]).max() > 0.4


@pytest.mark.parametrize("seconds", [0.05, 0.5, 1.0, 3.0])
def test_a_recording_is_kept_whole_and_its_clip_has_the_specs_length(seconds: float) -> None:
    recording = read_audio(encoded(tone(seconds, 44_100), 44_100), SPEC)
    assert abs(len(recording) - seconds * RATE) <= 1
    clip = clip_around_word(recording, SPEC.samples)
    assert clip.shape == (SPEC.samples,)
    assert recording.dtype == clip.dtype == np.float32


def test_a_clip_is_where_the_recording_is_loudest_whatever_its_type_and_its_neighbours_in_a_batch() -> None:
    random = np.random.default_rng(0)
    batch = np.rint(random.normal(0, 200, (6, 9_000))).astype(np.int16)
    for i, row in enumerate(batch):
        row[1_300 * i : 1_300 * i + 700] += np.rint(10_000 * tone(700 / RATE)).astype(np.int16)
    clips = Clip(1_000, RATE)(torch.from_numpy(batch))
    assert clips.dtype == torch.int16
    for row, clip in zip(batch, clips.numpy(), strict=True):
        assert np.array_equal(clip, clip_around_word(row, 1_000))
        as_floats = clip_around_word((row / 32_768).astype(np.float32), 1_000)
        assert np.array_equal(as_content(as_floats), clip)


def test_real_words_are_inside_their_clips(shared_data: Path) -> None:
    """FSDD is trimmed close to the word: what a clip holds of a recording's energy is what it holds of the
    word."""
    paths = sorted((shared_data / "fsdd").glob("*.wav"))[::29]
    assert len(paths) > 100
    for path in paths:
        waveform = read_waveform(path, RATE)
        clip = clip_around_word(waveform, SPEC.samples)
        if len(waveform) <= SPEC.samples:
            assert np.isclose((clip**2).sum(), (waveform**2).sum())
        else:
            assert (clip**2).sum() > 0.95 * (waveform**2).sum()


def test_a_real_word_is_found_again_in_a_long_silence(shared_data: Path) -> None:
    random = np.random.default_rng(0)
    for path in sorted((shared_data / "fsdd").glob("*.wav"))[::97]:
        word = read_waveform(path, RATE)[: SPEC.samples]
        before, after = random.integers(RATE, 4 * RATE, 2)
        clip = clip_around_word(np.pad(word, (before, after)), SPEC.samples)
        assert (clip**2).sum() > 0.99 * (word**2).sum(), path.name


# ----------------------------------------------------------------------------------- lying and broken headers


@pytest.mark.parametrize("length", [len(PCM) + 2, 2 * len(PCM), 2**30])
def test_a_wav_that_says_more_than_there_is_is_refused(tmp_path: Path, length: int) -> None:
    """From bytes and from a file; other chunks before the sound do not matter."""
    lie = wav(PCM, data_length=length)
    (tmp_path / "lie.wav").write_bytes(lie)
    for source in (lie, tmp_path / "lie.wav", str(tmp_path / "lie.wav")):
        with pytest.raises(InputError, match=rf"declares {length:,} bytes of sound, but {len(PCM):,} follow"):
            read_waveform(source, RATE)


@pytest.mark.parametrize("length", [2**31 - 2, 2**32 - 1])
def test_a_wav_of_unknown_length_is_read_as_far_as_it_goes(length: int) -> None:
    tracemalloc.start()
    waveform = read_waveform(wav(PCM, data_length=length, riff_length=min(length + 36, 2**32 - 1)), RATE)
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()
    assert np.abs(waveform - tone()).max() < 1e-3


def put(file: bytes, place: int, kind: str, value: int) -> bytes:
    return file[:place] + struct.pack(kind, value) + file[place + struct.calcsize(kind) :]


def piped() -> dict[str, bytes]:
    """Files whose headers were written before anybody knew how long the sound would be."""
    big = io.BytesIO()
    soundfile.write(big, tone(), RATE, format="WAV", subtype="PCM_16", endian="BIG")
    au, aiff, w64 = (encoded(tone(), kind=kind) for kind in ("AU", "AIFF", "W64"))
    rf64, caf, wavex = (encoded(tone(), kind=kind, depth="PCM_16") for kind in ("RF64", "CAF", "WAVEX"))
    sizes = rf64.index(b"ds64") + 8
    return {
        "WAV, 0 bytes": wav(PCM, data_length=0),
        "WAV, all lengths 0": wav(PCM, data_length=0, riff_length=0),
        "WAV, all lengths -1": wav(PCM, data_length=2**32 - 1, riff_length=2**32 - 1),
        "RIFX": put(big.getvalue(), big.getvalue().index(b"data") + 4, ">I", 0),
        "WAVEX": put(wavex, wavex.index(b"data") + 4, "<I", 0),
        "RF64, 0 bytes": put(rf64, sizes + 8, "<Q", 0),
        "RF64, all lengths 0": put(put(put(rf64, sizes, "<Q", 0), sizes + 8, "<Q", 0), sizes + 16, "<Q", 0),
        "RF64, -1 bytes": put(rf64, sizes + 8, "<Q", 2**64 - 1),
        "AIFF, 0 bytes": put(aiff, aiff.index(b"SSND") + 4, ">I", 0),
        "AIFF, -1 bytes": put(aiff, aiff.index(b"SSND") + 4, ">I", 2**32 - 1),
        "AU, 0 bytes": put(au, 8, ">I", 0),
        "AU, -1 bytes": put(au, 8, ">I", 2**32 - 1),
        "CAF, 0 bytes": put(caf, caf.index(b"data") + 4, ">q", 0),
        "CAF, -1 bytes": put(caf, caf.index(b"data") + 4, ">q", -1),
        "W64, 0 bytes": put(w64, w64.index(b"data") + 16, "<q", 0),
    }


PIPED = piped()


@pytest.mark.parametrize("kind", PIPED)
def test_what_came_through_a_pipe_is_read_to_its_end(tmp_path: Path, kind: str) -> None:
    (tmp_path / "piped").write_bytes(PIPED[kind])
    for source in (PIPED[kind], tmp_path / "piped"):
        waveform = read_waveform(source, RATE)
        assert abs(len(waveform) - RATE) <= 8
        np.testing.assert_allclose(waveform[:15_000], tone()[:15_000], atol=0.02)
        assert facts_of(source) == Facts(RATE, len(waveform) / RATE)


def test_a_wav_that_says_less_than_there_is_is_believed() -> None:
    """What follows may be anything: a WAV holds other chunks too."""
    assert len(read_waveform(wav(PCM, data_length=8_000), RATE)) == 4_000


def test_a_wav_cut_off_in_the_middle_is_refused() -> None:
    with pytest.raises(InputError, match="was truncated"):
        read_waveform(wav(PCM)[:16_045], RATE)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
@pytest.mark.parametrize(
    ("kind", "tag"),
    [
        *((kind, b"") for kind in ("WAV", "RF64", "AIFF", "AU", "CAF", "W64", "MP3")),
        ("MP3", b"ID3\4\0\0\0\0\1\2" + bytes(130)),
    ],
    ids=["WAV", "RF64", "AIFF", "AU", "CAF", "W64", "MP3", "MP3 with a tag"],
)
def test_what_ends_before_its_header_says_so_was_cut_short(kind: str, tag: bytes, share: float) -> None:
    file = tag + encoded(tone(seconds=1.5), kind=kind)
    assert len(read_waveform(file, RATE)) > 0
    with pytest.raises(InputError, match="was truncated"):
        read_waveform(file[: int(share * len(file))], RATE)


LIES: dict[str, list[Source]] = {
    "no samples": [
        wav(b""),
        wav(b"", data_length=100_000),
        wav(b"LIST\4\0\0\0INFO", data_length=0),
    ],
    "samples a second": [wav(PCM, rate=n) for n in (1, 999, 768_001, 2_000_000_000)],
    "channels": [wav(PCM, channels=1_000), (np.zeros((2, 16_000), np.int16), RATE), (np.zeros((5, 0)), RATE)],
    "damaged": [
        wav(PCM, rate=0),
        wav(PCM, rate=2**32 - 1),
        wav(PCM, channels=0),
        wav(PCM, channels=65_535),
        wav(PCM, bits=0),
        wav(PCM, kind=0x7777),
        wav(PCM)[:40],
        wav(PCM)[:20],
        b"RIFF",
        b"OggS" + bytes(2_000),
        b"fLaC" + bytes(2_000),
        b"\xff\xfb\x90\x00" + np.random.default_rng(0).bytes(5_000),
        b"ID3\x04\0\0\0\0\0\x10" + np.random.default_rng(0).bytes(5_000),
        encoded(tone(), kind="FLAC")[:5_000],
        encoded(tone(), kind="OGG")[:2_000],
    ],
    "not a recording": [
        b"hello world" * 10,
        b"\x89PNG\r\n\x1a\n" + bytes(99),
        b"\x1aE\xdf\xa3webm",
        b"\0",
        bytes(4_000),
    ],
    "is empty": [b""],
    "silent": [
        encoded(np.zeros(RATE)),
        encoded(tone(peak=1e-4)),
        (np.full(RATE, 0.5, np.float32), RATE),
        (np.full(8_000, 1_000, np.int16), 8_000),
        (np.array([7], np.int16), RATE),
    ],
    "holds NaN": [
        encoded(np.array([0.1, np.nan, 0.1]), depth="FLOAT"),
        encoded(np.array([0.1, np.inf, 0.1]), depth="FLOAT"),
        encoded(np.array([0.1, -np.inf] * 500), 8_000, depth="DOUBLE"),
        (np.array([0.1, np.nan] * 50), 44_100),
        (np.array([[0.1, 1e300], [0.1, -1e300]]), RATE),
    ],
    "times full scale": [
        (np.array([20_000.0, -20_000.0] * 99), RATE),
        encoded(np.array([3e38, -3e38] * 99), depth="FLOAT"),
    ],
    "expected samples of shape": [
        (np.zeros((2, 2, 2)), RATE),
        (np.array(0.5), RATE),
        (np.zeros(9, complex), RATE),
        (np.array(["a"]), RATE),
    ],
    "the pair": [(RATE, np.zeros(RATE)), ([0.1, 0.2], RATE), (np.zeros(9), 16_000.5)],
}


@pytest.mark.parametrize(
    ("complaint", "source"),
    [
        pytest.param(words, lie, id=f"{words} {number}")  # some files hold the time at which they were made
        for words, lies in LIES.items()
        for number, lie in enumerate(lies)
    ],
)
def test_what_is_no_usable_recording_is_refused_in_one_line(complaint: str, source: Source) -> None:
    with pytest.raises(InputError, match=complaint) as refused:
        read_waveform(source, RATE)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("data", [b"", b"no audio at all", wav(b""), wav(bytes(8_000))], ids=str)
def test_a_refusal_names_the_file(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "seven.wav"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"seven\.wav"):
        read_audio(path, SPEC)


def test_a_missing_file_a_folder_and_raw_samples_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "words.wav").mkdir()
    (tmp_path / "word.raw").write_bytes(PCM)
    for name in ("nowhere.wav", "words.wav", "word.raw"):
        with pytest.raises(InputError, match=name):
            read_audio(tmp_path / name, SPEC)


def test_an_hour_is_refused_from_the_header_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lecture.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8_000)
        file.writeframes(bytes(3_600 * 8_000))
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("was decoded"))
    with pytest.raises(InputError, match=r"lecture\.wav lasts 60\.0 minutes; expected 10"):
        read_audio(path, SPEC)
    with pytest.raises(InputError, match=r"lasts 60\.0 minutes"):
        read_audio((np.zeros(3_600 * 1_000, np.int16), 1_000), SPEC)


@pytest.mark.parametrize(("length", "complaint"), [(2**36 - 1, "minutes"), (0, "header without a length")])
def test_a_flac_that_lies_about_its_length_is_refused_before_anything_is_decoded(
    length: int, complaint: str
) -> None:
    data = bytearray(encoded(tone(), kind="FLAC"))
    data[21:26] = ((data[21] >> 4 << 36) | length).to_bytes(5, "big")  # the 36 bits of STREAMINFO
    with pytest.raises(InputError, match=complaint):
        read_waveform(bytes(data), RATE)


def test_decoding_stops_where_a_header_said_less_than_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the format and its header: no more than the longest recording is ever decoded."""
    decoded = 0

    def endless(sound: soundfile.SoundFile, frames: int, **_: object) -> np.ndarray:
        nonlocal decoded
        decoded += frames
        return np.zeros((frames, sound.channels), np.float32)

    monkeypatch.setattr(soundfile.SoundFile, "read", endless)
    with pytest.raises(InputError, match="expected 10 minutes"):
        read_waveform(encoded(tone(rate=1_000), 1_000), RATE)
    assert decoded < 601 * 1_000 + 65_536


def test_a_damaged_mp3_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Its decoder writes complaints to the file descriptor, past Python."""
    data = bytearray(encoded(tone(), kind="MP3"))
    data[len(data) // 2 : len(data) // 2 + 200] = np.random.default_rng(0).bytes(200)
    soundfile.read(io.BytesIO(bytes(data)))
    assert capfd.readouterr().err, "the decoder has learned to be quiet: the redirection can go"
    assert len(read_waveform(bytes(data), RATE)) > RATE // 2
    with pytest.raises(InputError, match="damaged"):
        read_waveform(b"\xff\xfb\x90\x00" + np.random.default_rng(0).bytes(20_000), RATE)
    captured = capfd.readouterr()
    assert captured.err == captured.out == ""
    print("still here", file=sys.stderr)
    assert capfd.readouterr().err == "still here\n"


@pytest.mark.parametrize(
    ("kind", "depth"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("WAV", "MS_ADPCM"),
        ("AU", "PCM_16"),
        ("CAF", "PCM_16"),
        ("W64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("FLAC", None),
        ("OGG", None),
    ],
)
def test_any_damage_is_read_through_or_refused_and_prints_nothing(
    kind: str, depth: str | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = encoded(tone(0.2), kind=kind, depth=depth)
    random = np.random.default_rng(0)
    path = tmp_path / "damaged"
    for _ in range(60):
        damaged = np.frombuffer(data, np.uint8).copy()
        damaged[random.integers(4, random.choice([64, len(data)]), 4)] = random.integers(0, 256, 4)
        path.write_bytes(damaged[: random.integers(4, 2 * len(data))].tobytes())
        for source in (path, path.read_bytes()):
            try:
                waveform = read_waveform(source, RATE)
            except InputError:
                continue
            assert 0 < np.abs(waveform).max() <= 1
    assert capfd.readouterr() == ("", "")


# ---------------------------------------------------------------------------------------- ready-made features


@pytest.mark.parametrize("spec", [READY_MADE, VECTOR])
def test_a_recording_cannot_be_turned_into_features_of_unknown_making(
    tmp_path: Path, spec: MatrixSpec | VectorSpec
) -> None:
    path = tmp_path / "four.wav"
    path.write_bytes(encoded(tone()))
    for source in (path, path.read_bytes(), (tone(), RATE)):
        with pytest.raises(InputError, match="trained on ready-made arrays"):
            read_ready_made(source, spec)
    with pytest.raises(InputError, match=r"four\.wav"):
        read_ready_made(path, spec)


@pytest.mark.parametrize("spec", [READY_MADE, VECTOR])
def test_ready_made_features_pass_through_where_they_are_expected(spec: MatrixSpec | VectorSpec) -> None:
    features = np.random.default_rng(0).normal(size=spec.shape)
    passed = read_ready_made(features, spec)
    assert passed.dtype == np.float32
    assert np.allclose(passed, features)


def test_ready_made_features_of_another_shape_or_not_finite_are_refused() -> None:
    for features, complaint in (
        (np.zeros((13, 39)), "shape"),
        (np.zeros(507), "shape"),
        (np.full((39, 13), np.nan), "NaN"),
        (np.full((39, 13), "a"), "numbers"),
    ):
        with pytest.raises(InputError, match=complaint):
            read_ready_made(features, READY_MADE)
    with pytest.raises(InputError, match="shape"):
        read_ready_made(np.zeros(7), VECTOR)


def test_an_array_without_its_rate_is_refused() -> None:
    with pytest.raises(InputError, match="rate"):
        read_audio(tone(), SPEC)
