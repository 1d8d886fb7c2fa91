"""Renders the spoken digits of the embedded data set `digits` with espeak-ng and packs them into the package.

Run once, by us: `python scripts/make_digits.py`. Every clip is another combination of voice, accent, rate and
pitch. The clips stand one after the other in a single Ogg Opus file, with silence between, and an index says
where each begins. The same espeak-ng (1.51) and soundfile (0.14.0) give the same bytes again.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from struct import pack_into

import numpy as np
import soundfile
import soxr

from seesay.errors import InputError, SeesayError
from seesay.files import new_file

ASSETS = Path(__file__).parents[1] / "src" / "seesay" / "formats" / "assets"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RATE = 16_000  # samples a second
FRAME = 160  # samples, 10 ms: the step in which silence is trimmed
SILENT = 1e-2  # of the loudest frame's level, -40 dB: what is softer at either end of a clip is cut off
PEAK = 0.7  # of full scale, the loudest sample of every clip: room for what the codec adds
GAP = 480  # samples, 30 ms of silence around each clip: more than a frame of the codec (20 ms), so none leaks
LONGEST = RATE  # samples; a model hears one second
TAKES = 3  # accents that each voice speaks in
SEED = 0  # of the rates and the pitches
WORDS_A_MINUTE = (120, 220)
PITCH = (20, 80)  # espeak-ng's scale, 0 to 99
AMPLITUDE = 20  # espeak-ng's scale, 0 to 200; at its default of 100 a third of the variants clip
COMPRESSION = 0.96  # of libsndfile's Opus: 16 kbit/s

# The British voice is called by `en`: given `en-gb`, espeak-ng 1.51 drops the variant without a word.
# en-us-nyc is left out, since seven of its ten digits are those of en-us.
ACCENTS = ("en", "en-us", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd")

# espeak-ng's variants, by split. One of each family (no Gene2, iven3 or their like); none of the three that
# a classifier trained on the others hears worst (Alicia, kaukovalta, Demonic: 5, 5, 3 wrong of 30 digits);
# none whose echo outlasts a second (Marco); no whisper. Those that sound most alike share a split: adam,
# benjamin and klatt2; croak and m6; Diogo and miguel; m7 and Nguyen.
VOICES = {
    "train": (
        "adam", "Alex", "Andrea", "Andy", "anika", "antonio", "aunty", "belinda", "benjamin", "boris",
        "croak", "Diogo", "ed", "edward", "f1", "f2", "f5", "Gene", "grandma", "Hugo", "iven", "Jacky",
        "john", "klatt2", "Lee", "m1", "m3", "m4", "m6", "m7", "m8", "Mario", "max", "Michael", "miguel",
        "Mr serious", "Nguyen", "pablo", "pedro", "quincy", "RicishayMax", "robosoft", "sandro", "Tweaky",
        "UniRobot",
    ),
    "valid": ("Denis", "f3", "m2", "paul", "travis"),
    "test": (
        "Annie", "david", "f4", "gustave", "linda", "m5", "marcelo", "Mike", "norbert", "rob", "robosoft6",
        "steph", "victor", "zac",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Utterance:
    """What espeak-ng is asked to say, and how."""

    digit: int
    voice: str
    accent: str
    words_a_minute: int
    pitch: int


def utterances() -> Iterator[Utterance]:
    """Every voice says every digit in `TAKES` accents; they go round, so that each split has all of them."""
    random = np.random.default_rng(SEED)
    for voices in VOICES.values():
        for turn in range(len(voices) * TAKES):
            for digit in range(len(WORDS)):
                rate, pitch = (int(random.integers(low, high + 1)) for low, high in (WORDS_A_MINUTE, PITCH))
                yield Utterance(digit, voices[turn // TAKES], ACCENTS[turn % len(ACCENTS)], rate, pitch)


def speak(utterance: Utterance) -> bytes:
    """What espeak-ng says, a WAV file."""
    voice = ["-v", f"{utterance.accent}+{utterance.voice}", "-s", str(utterance.words_a_minute)]
    manner = ["-p", str(utterance.pitch), "-a", str(AMPLITUDE), "--stdout"]
    command = ["espeak-ng", *voice, *manner, WORDS[utterance.digit]]
    return subprocess.run(command, check=True, capture_output=True).stdout


def render(utterance: Utterance) -> np.ndarray:
    """(samples,) float32 at `RATE`: the word without the silence around it, its loudest sample at `PEAK`."""
    samples, rate = soundfile.read(BytesIO(speak(utterance)), dtype="float32")
    clip = trim(soxr.resample(samples, rate, RATE))
    return clip * (PEAK / np.abs(clip).max())


def trim(samples: np.ndarray) -> np.ndarray:
    """Without the frames at either end that are softer than `SILENT`, but for one."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    level = np.sqrt(np.mean(frames**2, axis=1))
    loud = np.flatnonzero(level > SILENT * level.max())
    return samples[max(0, loud[0] - 1) * FRAME : (loud[-1] + 2) * FRAME]


def place(clips: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All clips in one (samples,) float32, a `GAP` around each; and (clips,) where each begins."""
    lengths = np.array([len(clip) for clip in clips])
    starts = GAP + np.cumsum(lengths + GAP) - (lengths + GAP)
    whole = np.zeros(starts[-1] + lengths[-1] + GAP, np.float32)
    for start, clip in zip(starts, clips, strict=True):
        whole[start : start + len(clip)] = clip
    return whole, starts


def encode(samples: np.ndarray) -> bytes:
    """An Ogg Opus file, always the same bytes for the same samples."""
    file = BytesIO()
    soundfile.write(file, samples, RATE, subtype="OPUS", format="OGG", compression_level=COMPRESSION)
    return with_fixed_serial(bytearray(file.getvalue()))


def with_fixed_serial(ogg: bytearray) -> bytes:
    """Every page gets stream serial 0, where the library draws one, and its checksum anew (RFC 3533)."""
    at = 0
    while at < len(ogg):
        header = 27 + ogg[at + 26]  # bytes: the fixed part and one length for each segment
        end = at + header + sum(ogg[at + 27 : at + header])
        pack_into("<I", ogg, at + 14, 0)
        pack_into("<I", ogg, at + 22, 0)
        pack_into("<I", ogg, at + 22, checksum(ogg[at:end]))
        at = end
    return bytes(ogg)


def checksum(page: bytearray) -> int:
    """Ogg's CRC-32: polynomial 0x04c11db7, neither reflected nor inverted (RFC 3533, section 6)."""
    crc = 0
    for byte in page:
        crc = (crc << 8 & 0xFFFFFFFF) ^ CRC_OF[crc >> 24 ^ byte]
    return crc


def _crc_of(byte: int) -> int:
    crc = byte << 24
    for _ in range(8):
        crc = (crc << 1 & 0xFFFFFFFF) ^ (0x04C11DB7 if crc >> 31 else 0)
    return crc


CRC_OF = [_crc_of(byte) for byte in range(256)]


def lag(clip: np.ndarray, whole: np.ndarray, start: int, reach: int = 40) -> int:
    """Samples by which `clip` fits `whole` best when moved from `start`; 0 if the codec kept the place."""
    around = whole[start - reach : start + len(clip) + reach]
    return int(np.argmax(np.correlate(around, clip, "valid"))) - reach


def index_text(spoken: list[Utterance], clips: list[np.ndarray], starts: np.ndarray, ogg: bytes) -> str:
    """JSON with one clip in a line, so that a change can be read."""
    head = {
        "made_by": espeak_version(),
        "rate": RATE,
        "sha256": sha256(ogg).hexdigest(),
        "voices": VOICES,
        "columns": [*(field.name for field in fields(Utterance)), "start", "length"],
    }
    lines = [
        json.dumps([*astuple(u), int(start), len(clip)])
        for u, start, clip in zip(spoken, starts, clips, strict=True)
    ]
    return json.dumps(head, indent=1)[:-2] + ',\n "clips": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"


def espeak_version() -> str:
    found = re.search(r"\d+(\.\d+)+", ask("--version"))
    return f"espeak-ng {found.group() if found else 'of unknown version'}"


def check_voices() -> None:
    """InputError where espeak-ng lacks a voice or an accent: by itself it would take another."""
    if shutil.which("espeak-ng") is None:
        raise InputError("espeak-ng is not on PATH", "Install it (Debian, Ubuntu: apt install espeak-ng).")
    voices, known = [voice for split in VOICES.values() for voice in split], variants()
    missing = [voice for voice in voices if voice not in known]
    missing += [accent for accent in ACCENTS if accent != "en" and accent not in languages()]
    if missing:
        raise InputError(
            f"espeak-ng has no {', '.join(missing)}", "Take espeak-ng 1.51 with all its variants."
        )
    for accent in ACCENTS:
        heard = {speak(Utterance(9, voice, accent, 150, 50)) for voice in voices}
        if len(heard) < len(voices):
            raise InputError(f"in the accent {accent}, {len(voices)} voices sound like {len(heard)}")


def variants() -> set[str]:
    """Names of the variants' files; a name may hold a space."""
    return set(re.findall(r"!v/(.*?) *(?:\(.*)?$", ask("--voices=variant"), re.MULTILINE))


def languages() -> set[str]:
    return {line.split()[1] for line in ask("--voices=en").splitlines()[1:]}


def ask(option: str) -> str:
    return subprocess.run(["espeak-ng", option], check=True, capture_output=True, text=True).stdout


def main() -> None:
    check_voices()
    spoken = list(utterances())
    clips = [render(utterance) for utterance in spoken]
    whole, starts = place(clips)
    ogg = encode(whole)
    report(spoken, clips, whole, starts, ogg)
    with new_file(ASSETS / "digits.ogg", "wb") as file:
        file.write(ogg)
    with new_file(ASSETS / "digits.json") as file:
        file.write(index_text(spoken, clips, starts, ogg))


def report(
    spoken: list[Utterance], clips: list[np.ndarray], whole: np.ndarray, starts: np.ndarray, ogg: bytes
) -> None:
    """Prints what was made. A clip that is too long, or that the codec moved: InputError."""
    decoded, _ = soundfile.read(BytesIO(ogg), dtype="float32")
    lengths = np.array([len(clip) for clip in clips])
    moved = [u for u, c, s in zip(spoken, clips, starts, strict=True) if lag(c, decoded, int(s)) != 0]
    long = [u for u, length in zip(spoken, lengths, strict=True) if length > LONGEST]
    if long or moved or len(decoded) != len(whole):
        raise InputError(
            f"too long: {long}; moved by the codec: {moved}; {len(decoded)} samples of {len(whole)}"
        )
    inside = np.zeros(len(whole), bool)
    for start, length in zip(starts, lengths, strict=True):
        inside[start - GAP // 3 : start + length + GAP // 3] = True
    noise = np.sum((decoded - whole)[inside] ** 2)
    voices = sum(map(len, VOICES.values()))
    print(f"{len(clips)} clips of {voices} voices, {lengths.sum() / RATE:.0f} s of speech")
    quantiles = np.quantile(lengths / RATE, [0, 0.5, 1])
    print("shortest, median, longest: {:.2f}, {:.2f}, {:.2f} s".format(*quantiles))
    print(f"{len(ogg):,} bytes, signal to codec noise {10 * np.log10(np.sum(whole**2) / noise):.1f} dB")
    loudest = 20 * np.log10(np.abs(decoded[~inside]).max() / PEAK)
    print(f"loudest sample in the middle of a gap: {loudest:.0f} dB")


if __name__ == "__main__":
    try:
        main()
    except SeesayError as error:
        raise SystemExit(str(error)) from None
