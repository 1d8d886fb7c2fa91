"""Write the recordings that the web page offers to click: python scripts/make_page_examples.py

Four digits are clips of the built-in data set `digits`, from its test split; "hello", which is none, is
spoken here by espeak-ng. All at 8 kHz, 16 bits: 45 kB together.
"""

import io
import subprocess
from pathlib import Path

import numpy as np
import soundfile
import soxr

import seesay.serve
from seesay.formats.digits import load_clips

FOLDER = Path(seesay.serve.__file__).parent / "web" / "examples"
RATE = 8_000  # Hz
WORDS = {"five": 5, "seven": 7, "eight": 8, "nine": 9}
SPEAKER = "en-us"  # accent of the voices that are used
STRANGER = "hello"
MARGIN = 0.06  # seconds of silence around a word


def written(word: str, samples: np.ndarray, rate: int) -> Path:
    """The word as a WAV file at RATE, as loud as a word is, with a little silence around it."""
    waveform = soxr.resample(samples.astype(np.float32), rate, RATE)
    waveform *= 0.6 / np.abs(waveform).max()
    silence = np.zeros(round(MARGIN * RATE), np.float32)
    path = FOLDER / f"{word}.wav"
    soundfile.write(path, np.concatenate([silence, waveform, silence]), RATE, subtype="PCM_16")
    return path


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    clips = load_clips()
    for word, digit in WORDS.items():
        fits = (
            i
            for i, (label, split, speaker) in enumerate(
                zip(clips.labels, clips.splits, clips.speakers, strict=True)
            )
            if label == digit and split == 2 and speaker.endswith(SPEAKER)
        )
        print(written(word, clips.samples[next(fits)], 16_000))
    spoken = subprocess.run(
        ["espeak-ng", "-v", SPEAKER, "--stdout", STRANGER], check=True, capture_output=True
    )
    samples, rate = soundfile.read(io.BytesIO(spoken.stdout))
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    print(written(STRANGER, samples[loud[0] : loud[-1]], rate))


if __name__ == "__main__":
    main()
