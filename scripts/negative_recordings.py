"""Recordings in which nobody says a digit, to train on as negatives: noise, hums, knocks, babble, synthetic
and broken speech, and other words.

    apt install espeak-ng

Nothing here is like what benchmarks/unknowns.py tests with: no number word above nine, none of its variants
of espeak-ng, no melody, no engine, no animal. All draws come from one seed; another version of espeak-ng may
speak a little otherwise.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from io import BytesIO

import numpy as np
import soundfile
import soxr
from jaxtyping import Float, Int16
from make_voices import ACCENTS, AMPLITUDE, PITCH, WORDS_A_MINUTE, trimmed, variants
from numpy.random import Generator
from scipy.signal import butter, lfilter, sosfilt

RATE = 8_000  # samples a second
LENGTH = RATE  # samples: a second

Sound = Float[np.ndarray, " n"]
Clips = Sequence[Int16[np.ndarray, " n"]]

WORDS = (
    "yes", "no", "stop", "go", "left", "right", "up", "down", "on", "off", "house", "water", "hello", "happy",
    "bird", "tree", "marvin", "sheila", "wow", "backward", "forward", "follow", "learn", "visual", "please",
    "thanks", "open", "close", "play", "music", "light", "green", "yellow", "table", "window", "garden",
    "people", "sugar", "orange", "paper", "winter", "morning", "night", "mine", "line", "sun", "run", "done",
    "hive", "drive", "state", "late", "free", "key", "shoe", "new", "door", "more", "sea", "mix", "kicks",
    "heaven", "level", "hero", "narrow", "main", "nice", "life", "side", "fun", "through", "what", "where",
)  # fmt: skip
"""Words that are no digits, some of them close: none is, holds, or sounds the same as one."""

TESTED = ("m3", "m7", "f2", "f5", "Andrea", "Gene", "Lee", "linda", "max", "steph")
"""Variants of espeak-ng that the benchmark tests with; what their names begin is left to it."""

SHARES = {
    "word": 0.4, "broken": 0.24, "babble": 0.08, "vowels": 0.08, "noise": 0.08, "hum": 0.06, "knocks": 0.06,
}  # fmt: skip
"""How many of the recordings are of which kind."""

PEAKS = (0.05, 0.95)  # of full scale, the loudest sample


def recordings(count: int, seed: int, clips: Clips) -> list[Int16[np.ndarray, " n"]]:
    """So many recordings at RATE. `clips`: training recordings of single digits at RATE, which are broken up
    or murmur. Without espeak-ng: InputError."""
    random = np.random.default_rng(seed)
    kinds = random.choice(list(SHARES), count, p=list(SHARES.values()))
    return [sound for kind in kinds for sound in of_kind(kind, 1, random, clips)]


def of_kind(kind: str, count: int, random: Generator, clips: Clips) -> list[Int16[np.ndarray, " n"]]:
    """So many recordings of one of KINDS."""
    found = []
    for _ in range(count):
        sound = KINDS[kind](random, clips)
        louder = random.uniform(*PEAKS) / (np.abs(sound).max() or 1.0)
        sound = louder * sound + 1e-3 * random.standard_normal(len(sound))
        found.append((32_767 * np.clip(sound, -1, 1)).astype(np.int16))
    return found


# ----------------------------------------------------------------------------------------------------- speech


def word(random: Generator, clips: Clips) -> Sound:
    """One of WORDS, said by a variant of espeak-ng."""
    voice = f"{random.choice(ACCENTS)}+{random.choice(usable())}"
    speed, pitch = int(random.integers(*WORDS_A_MINUTE)), int(random.integers(*PITCH))
    return said(str(random.choice(WORDS)), voice, speed, pitch)


def said(text: str, voice: str, speed: int, pitch: int) -> Sound:
    """What espeak-ng makes of the text, at RATE, without the silence around it."""
    call = ["espeak-ng", "-v", voice, "-s", speed, "-p", pitch, "-a", AMPLITUDE, "--stdout"]
    out = subprocess.run([*map(str, call), text], capture_output=True, check=True).stdout
    samples, rate = soundfile.read(BytesIO(out), dtype="float32")
    return soxr.resample(trimmed(samples, rate), rate, RATE).astype(np.float64)


@cache
def usable() -> tuple[str, ...]:
    """The variants of espeak-ng that are not tested with."""
    return tuple(name for name in variants() if not name.startswith(TESTED))


def broken(random: Generator, clips: Clips) -> Sound:
    """A digit backwards, its pieces in another order, or the halves of two digits in one."""
    one, other = (_clip(random, clips) for _ in range(2))
    kind = random.integers(0, 3)
    if kind == 0:
        return one[::-1]
    if kind == 1:
        cuts = np.sort(random.integers(0, len(one), int(random.integers(3, 7))))
        parts = np.split(one, cuts)
        return joined([parts[i] for i in random.permutation(len(parts))])
    at = random.uniform(0.3, 0.7)
    return joined([other[int(at * len(other)) :], one[: int(at * len(one))]])


def joined(parts: Sequence[Sound]) -> Sound:
    """The parts one after another, each faded in and out over 5 ms."""
    fade = RATE // 200
    ramp = np.minimum(np.arange(1, fade + 1) / fade, 1)
    faded = []
    for part in parts:
        if len(part) > 2 * fade:
            part = part.copy()
            part[:fade] *= ramp
            part[-fade:] *= ramp[::-1]
            faded.append(part)
    return np.concatenate(faded) if faded else np.zeros(RATE // 4)


def babble(random: Generator, clips: Clips) -> Sound:
    """Five to eight voices at once, some backwards."""
    mixed = np.zeros(LENGTH)
    for _ in range(int(random.integers(5, 9))):
        clip = _clip(random, clips)[:LENGTH][:: random.choice([-1, 1])]
        start = int(random.integers(0, LENGTH - len(clip) + 1))
        mixed[start : start + len(clip)] += random.uniform(0.5, 1) * clip
    return mixed


def _clip(random: Generator, clips: Clips) -> Sound:
    clip = clips[int(random.integers(0, len(clips)))] / 32_768
    return trimmed(clip / (np.abs(clip).max() or 1.0), RATE)


def vowels(random: Generator, clips: Clips) -> Sound:
    """A voice without words: pulses or breath through resonances that wander, in two to five syllables."""
    length = int(LENGTH * random.uniform(0.4, 1))
    time = np.arange(length) / RATE
    pitch = random.uniform(80, 280) * 2 ** (random.uniform(-0.5, 0.5) * time)
    pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0) + 0.02 * random.standard_normal(length)
    sound, syllables = np.zeros(length), int(random.integers(2, 6))
    for part in np.array_split(np.arange(length), syllables):
        source = pulses[part] if random.random() < 0.8 else random.standard_normal(len(part)) * 0.1
        for formant in (random.uniform(250, 900), random.uniform(800, 2_400), random.uniform(2_000, 3_400)):
            radius = np.exp(-np.pi * random.uniform(50, 150) / RATE)
            source = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2], source)
        sound[part] = source / (np.abs(source).max() or 1) * np.hanning(len(part)) ** 0.5
    return sound


# ------------------------------------------------------------------------------------------------------ noise


def noise(random: Generator, clips: Clips) -> Sound:
    """Noise from brown to blue, in a band or not, steady, swelling or in bursts."""
    spectrum = np.fft.rfft(random.standard_normal(LENGTH))
    slope = random.uniform(-1.5, 0.7)
    sound = np.fft.irfft(spectrum * np.maximum(np.arange(len(spectrum)), 20) ** slope, LENGTH)
    if random.random() < 0.5:
        low = random.uniform(60, 2_000)
        band = (low, min(low * random.uniform(1.3, 6), 3_900))
        sound = sosfilt(butter(2, band, "band", fs=RATE, output="sos"), sound)
    return sound * _loudness(random)


def _loudness(random: Generator) -> Sound:
    """(LENGTH,): constant, or a smooth curve through random levels."""
    if random.random() < 0.4:
        return np.ones(LENGTH)
    levels = random.random(int(random.integers(4, 12))) ** 2
    return np.interp(np.arange(LENGTH), np.linspace(0, LENGTH, len(levels)), levels)


def hum(random: Generator, clips: Clips) -> Sound:
    """The hum of the mains or a steady beep: one pitch and its harmonics, with a little noise."""
    time = np.arange(LENGTH) / RATE
    pitch = random.choice([50.0, 60.0, 100.0, 120.0]) if random.random() < 0.5 else random.uniform(300, 3_000)
    harmonics = np.arange(1, max(2, int(min(3_900 / pitch, 12))))
    strength = random.random(len(harmonics)) / harmonics
    tones = np.sin(
        2 * np.pi * pitch * harmonics[:, None] * time + random.uniform(0, 6.3, (len(harmonics), 1))
    )
    return strength @ tones * _loudness(random) + 0.02 * random.standard_normal(LENGTH)


def knocks(random: Generator, clips: Clips) -> Sound:
    """One to eight clicks, knocks or claps: noise or a ringing that dies away."""
    sound = 1e-3 * random.standard_normal(LENGTH)
    for start in random.integers(0, LENGTH - 400, int(random.integers(1, 9))):
        time = np.arange(LENGTH - start) / RATE
        ringing = np.sin(2 * np.pi * random.uniform(80, 3_000) * time)
        source = ringing if random.random() < 0.6 else random.standard_normal(len(time))
        sound[start:] += random.uniform(0.3, 1) * source * np.exp(-time * random.uniform(15, 300))
    return sound


KINDS: Mapping[str, Callable[[Generator, Clips], Sound]] = {
    "word": word,
    "broken": broken,
    "babble": babble,
    "vowels": vowels,
    "noise": noise,
    "hum": hum,
    "knocks": knocks,
}
