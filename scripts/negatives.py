"""Negatives for the model of digits that comes with seesay: rows of no class, added to what it is trained on.

    python scripts/negatives.py folder out    # a sample of each kind, to look at and to listen to

`folder` holds `mnist` and `fsdd`. negative_pictures.py and negative_recordings.py make them and say what they
need.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import negative_pictures
import negative_recordings
import numpy as np
import soundfile
from PIL import Image

from seesay.data.dataset import MISSING, NONE, SPLITS, Dataset, Group
from seesay.data.ragged import Ragged, as_table
from seesay.errors import SeesayError
from seesay.formats.folders import read_pictures, recordings_of
from seesay.formats.media import Reading
from seesay.signal.audio import as_content, read_waveform

LISTED = 12  # of each kind in a sample


def with_negatives(data: Dataset, count: int, seed: int) -> Dataset:
    """The data set of digits, recordings at 8 kHz, and so many training rows of no class: each a picture and
    a recording, of the modalities that the data have. Some are put together from contents of training
    rows."""
    train = data.rows_of("train")
    new = {}
    if "image" in data.modalities:
        digits = np.asarray(data.contents["image"])[data.pointers("image")[train], 0]
        new["image"] = negative_pictures.pictures(count, seed, digits)
    if "audio" in data.modalities:
        used = np.unique(data.pointers("audio")[train])
        clips = [np.asarray(data.contents["audio"][int(i)]) for i in used[used != MISSING]]
        new["audio"] = as_table(negative_recordings.recordings(count, seed, clips))
    sizes = {m: len(data.contents[m]) for m in data.modalities}
    pointers = np.stack([sizes[m] + np.arange(count) for m in data.modalities], 1)
    nobody = np.full(count, MISSING, np.int32)
    return data.replace(
        contents={m: as_table([*data.contents[m], *new[m]]) for m in data.modalities},
        rows=np.concatenate([data.rows, pointers]).astype(np.int32),
        label=np.concatenate([data.label, np.full(count, NONE)]),
        split=np.concatenate([data.split, np.full(count, SPLITS.index("train"), np.int8)]),
        groups={
            m: {name: Group(np.concatenate([g.ids, nobody]), g.names) for name, g in groups.items()}
            for m, groups in data.groups.items()
        },
        sources=(*data.sources, f"{count:,} negatives, made by scripts/negatives.py, seed {seed}"),
    )


def sample(data: Path, out: Path) -> None:
    """Write some negatives of each kind: a PNG and WAV files."""
    out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    read = read_pictures(data / "mnist", Reading(reader="ink"))
    digits = np.asarray(read.contents["image"])[:1_000, 0]
    sheet = [
        np.hstack(negative_pictures.of_kind(kind, LISTED, random, digits)[:, 0])
        for kind in negative_pictures.KINDS
    ]
    Image.fromarray(np.vstack(sheet)).save(out / "pictures.png")
    rate = negative_recordings.RATE
    clips = [as_content(read_waveform(clip.path, rate)) for clip in recordings_of(data / "fsdd")[0][:200]]
    for kind in negative_recordings.KINDS:
        made = Ragged.of(negative_recordings.of_kind(kind, LISTED, random, clips))
        soundfile.write(out / f"{kind}.wav", made.values, rate)


def main() -> None:
    parser = argparse.ArgumentParser(description="A sample of the negatives for the model of digits.")
    parser.add_argument("data", type=Path, help="folder with mnist and fsdd")
    parser.add_argument(
        "out", type=Path, help="folder to write pictures.png and a WAV file for each kind into"
    )
    given = parser.parse_args()
    sample(given.data, given.out)
    print(
        f"{given.out} holds pictures.png, a row for each of {', '.join(negative_pictures.KINDS)}, and sounds"
    )


if __name__ == "__main__":
    try:
        main()
    except SeesayError as error:
        raise SystemExit(f"negatives: {error}") from None
