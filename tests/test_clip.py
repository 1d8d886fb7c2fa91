"""A clip holds the word, whatever else is in the recording, in torch and exported."""

import time
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seesay.signal.clip import Clip, Voicing

RATE = 8_000
Sound = np.ndarray


def vowel(pitch: float = 120.0, seconds: float = 0.4, peak: float = 0.3) -> Sound:
    """Harmonics of the pitch up to 3.5 kHz, falling by 6 dB an octave, faded in and out."""
    t = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * pitch * k * t + k**2) / k for k in range(1, int(3_500 / pitch)))
    wave = wave * np.hanning(len(t))
    return peak * wave / np.abs(wave).max()


def fading(seconds: float, time_constant: float) -> Sound:
    return np.exp(-np.arange(round(seconds * RATE)) / RATE / time_constant)


def thump(random: np.random.Generator) -> Sound:
    fade = fading(0.3, 0.04)
    return fade * np.sin(2 * np.pi * 80 * np.arange(len(fade)) / RATE)


def click(random: np.random.Generator) -> Sound:
    fade = fading(0.02, 0.003)
    return fade * random.normal(0, 1, len(fade))


def hiss(random: np.random.Generator) -> Sound:
    return random.normal(0, 1, RATE // 2) * np.hanning(RATE // 2)


def rumble(random: np.random.Generator) -> Sound:
    fade = fading(0.4, 0.1)
    return fade * np.convolve(random.normal(0, 1, len(fade)), np.ones(RATE // 100), "same")


def scene(noise: Callable[..., Sound] | None, seed: int, pitch: float = 120.0) -> tuple[Sound, int]:
    """Three seconds of a quiet room, with a word in the first half and a noise, twice as loud, in the second;
    and where the word begins."""
    random = np.random.default_rng(seed)
    room, word = random.normal(0, 0.001, 3 * RATE), vowel(pitch)
    start = int(random.integers(0, RATE - len(word)))
    room[start : start + len(word)] += word
    if noise is not None:
        burst = noise(random)
        at = int(random.integers(2 * RATE, 3 * RATE - len(burst)))
        room[at : at + len(burst)] += 0.6 * burst / np.abs(burst).max()
    return room.astype(np.float32), start


def cut(recording: Sound, clip: Clip) -> Sound:
    return clip(torch.from_numpy(recording)[None])[0].numpy()


def place(recording: Sound, clip: Sound) -> int:
    """The sample of the recording that the clip begins at."""
    found = [i for i in np.flatnonzero(recording == clip[0]) if np.array_equal(recording[i:][:9], clip[:9])]
    return int(found[0])


@pytest.mark.parametrize("noise", [thump, click, hiss, rumble])
@pytest.mark.parametrize("pitch", [80.0, 120.0, 220.0, 380.0, 600.0])
def test_the_word_is_in_the_clip_and_the_louder_noise_is_not(noise: Callable, pitch: float) -> None:
    clip = Clip(RATE, RATE)
    for seed in range(5):
        recording, start = scene(noise, seed, pitch)
        begins = place(recording, cut(recording, clip))
        missed = 0.1 * 0.4 * RATE  # of the word, which fades in and out
        assert begins <= start + missed
        assert start + 0.4 * RATE - missed <= begins + RATE <= 2 * RATE + missed


@given(seed=st.integers(0, 2**32), pitch=st.floats(80, 500))
@settings(max_examples=20)
def test_without_a_noise_the_clip_is_the_loudest_part(seed: int, pitch: float) -> None:
    recording, _ = scene(None, seed, pitch)
    clip, loudest = Clip(RATE, RATE), Clip(RATE, RATE)
    loudest.voicing = None
    assert np.array_equal(cut(recording, clip), cut(recording, loudest))


@pytest.mark.parametrize("seconds", [1.01, 3.0, 10.0])
def test_noise_alone_silence_and_a_lone_thump_give_a_clip_too(seconds: float) -> None:
    random, clip = np.random.default_rng(0), Clip(RATE, RATE)
    for loud in (0.0, 1e-4, 0.3):
        recording = random.normal(0, loud, round(seconds * RATE)).astype(np.float32)
        assert cut(recording, clip).shape == (RATE,)
    recording[:] = 0
    recording[: round(0.3 * RATE)] = thump(random)
    assert np.abs(cut(recording, clip)).max() > 0.5


@pytest.mark.parametrize(("samples", "rate"), [(10, 8_000), (319, 8_000), (50, 100), (1_000, 1_000)])
def test_clips_too_short_or_too_coarse_for_a_pitch_are_the_loudest_part(samples: int, rate: int) -> None:
    recording = np.zeros(3 * samples, np.float32)
    recording[samples : samples + 5] = 1
    assert cut(recording, Clip(samples, rate)).sum() == 5


def test_voicing_of_tones_noise_and_silence() -> None:
    """A vowel counts at any level, louder noise and silence do not."""
    random = np.random.default_rng(0)
    voicing = Voicing(RATE)
    noise = random.normal(0, 0.1, RATE).astype(np.float32)
    sounds = np.stack([np.tile(vowel(peak=0.3), 3)[:RATE], np.tile(vowel(peak=3e-3), 3)[:RATE], noise])
    loud, soft, hissing = voicing(torch.from_numpy(sounds.astype(np.float32))).mean(1).tolist()
    assert soft == pytest.approx(loud / 10, rel=0.1), "the fourth root of power: 40 dB less are a tenth"
    assert hissing < 0.01 * soft
    assert voicing(torch.zeros(1, RATE)).abs().max() == 0


def test_a_batch_of_integers_gives_what_each_recording_gives_alone() -> None:
    scenes = [np.rint(scene(thump, seed)[0] * 32_767).astype(np.int16) for seed in range(6)]
    clip = Clip(RATE, RATE)
    together = clip(torch.from_numpy(np.stack(scenes)))
    for recording, row in zip(scenes, together.numpy(), strict=True):
        assert np.array_equal(cut(recording, clip), row)


def test_three_seconds_take_a_few_milliseconds() -> None:
    recording, clip = torch.from_numpy(scene(thump, 0)[0])[None], Clip(RATE, RATE)
    clip(recording)
    began = time.process_time()
    for _ in range(20):
        clip(recording)
    assert (time.process_time() - began) / 20 < 0.05, "generous: machines differ"


def test_it_exports_and_cuts_the_same_there() -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    recordings = np.stack([scene(noise, 3)[0] for noise in (thump, click, hiss, None)])
    contents = torch.from_numpy(np.rint(recordings * 32_767).astype(np.int16))
    clip, rows = Clip(RATE, RATE).eval(), torch.export.Dim("rows", min=1, max=64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        exported = torch.export.export(clip, (contents,), dynamic_shapes=({0: rows},))
        program = torch.onnx.export(exported, dynamo=True, verbose=False)
    assert program is not None
    session = runtime.InferenceSession(program.model_proto.SerializeToString())
    for part in (contents, contents[:1]):
        (found,) = session.run(None, {session.get_inputs()[0].name: part.numpy()})
        assert np.array_equal(found, clip(part).numpy())
