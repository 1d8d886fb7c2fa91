"""Trains the model that comes with seesay, measures it on corpora that it was not trained on, and writes
its card.

    make model DATA=folder                                  # what follows, and the voices before it
    python scripts/make_model.py folder voices              # train, measure, write the card
    python scripts/make_model.py folder voices --without fsdd --seed 0    # one fold of leave-one-corpus-out

`folder` holds `mnist` (the four files of the database), `fsdd` (its recordings) and `speech_commands` (a
folder per word); `voices` is what make_voices.py wrote. Every picture of MNIST's training part is paired
with a recording of its class, each corpus of recordings as often as SHARES says, new partners at every
epoch. Beside the pictures themselves come drawings of them (drawn.py), and NEGATIVES rows that show no digit
(negatives.py, which needs fonts and espeak-ng). Which speakers validate is drawn from all corpora.
`--pictures-only` trains the picture encoder alone, for a quick look by benchmarks/drawings.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the drawings, which are no part of the package

from benchmarks import accents, drawings, thumps, unknowns
from drawn import drawn
from negative_pictures import check_fonts
from negatives import with_negatives

from seesay.condition import Condition
from seesay.config import Config, WaveformConfig
from seesay.data.dataset import SPLITS, Dataset, Group
from seesay.data.ragged import as_table
from seesay.errors import InputError, SeesayError
from seesay.formats.folders import Recording, read_pictures, recordings_of
from seesay.formats.media import Reading
from seesay.formats.name_parts import WORDS
from seesay.formats.pairing import class_named, read_speech
from seesay.learn.run import PACKAGED, Run, begin, environment, train
from seesay.measure.evaluate import evaluate
from seesay.recipes import recipe
from seesay.serve.predict import Predictor
from seesay.spec import Spec

DIGITS = tuple("0123456789")
CORPORA = ("fsdd", "speech_commands", "voices")
SHARES = {"fsdd": 0.2, "speech_commands": 0.2, "voices": 0.6}
"""Of the training rows: a corpus of few clips is repeated, so that its speakers count. What a missing
corpus had goes to the real one that is left."""

SPOKEN = {"george": "Greek", "jackson": "US", "nicolas": "Belgian French", "theo": "US", "yweweler": "German"}
"""Accents of speakers of the Free Spoken Digit Dataset, as its metadata.py says; it leaves out lucas."""

NEGATIVES = 12_000
"""Training rows of no class, a picture and a recording each (negatives.py)."""

COPIES = {"speech_commands": 8}
"""Times that the recordings of a corpus count in training, each time changed differently: once if it is not
here. Few, but of many voices, microphones and rooms."""

REPEATS = 2
"""Times that an epoch uses each recording, changed differently."""

READING = Reading(rate=8_000, reader="ink")


def config(seed: int) -> Config:
    """Recipe `best`, with the speech network trained further for recordings and more of every change to them,
    since strangers have other voices and rooms."""
    usual = recipe("best")
    kinds = usual.model.kinds
    image = dataclasses.replace(kinds["picture"], weight_decay=None)
    audio = dataclasses.replace(kinds["waveform"], kind="speech", finetune=0.2, repeats=REPEATS)
    return dataclasses.replace(
        usual,
        seed=seed,
        model=dataclasses.replace(usual.model, named={"image": image, "audio": audio}),
        waveform=WaveformConfig(
            views=REPEATS,
            speed=0.12,
            colour=5.0,
            band=0.3,
            echo=0.4,
            babble=0.2,
            noise=0.7,
            gain=12.0,
            overdrive=0.1,
            trim=0.5,
        ),
        split=dataclasses.replace(usual.split, valid=0.05),
        optim=dataclasses.replace(usual.optim, epochs=6, label_smoothing=0.1),
    )


# ------------------------------------------------------------------------------------------------------- data


def speech(folders: Mapping[str, Path], without: str = "") -> tuple[Dataset, np.ndarray]:
    """All recordings, a row each, or as many as COPIES says unless they are of the corpus `without`; and
    (rows,) which of CORPORA each is from."""
    heard = read_speech(list(folders.values()), DIGITS, READING)
    origin = np.concatenate(
        [np.full(len(clips(folder)), CORPORA.index(name)) for name, folder in folders.items()]
    )
    copies = {CORPORA.index(name): count for name, count in COPIES.items() if name != without}
    rows = np.repeat(np.arange(len(origin)), [copies.get(corpus, 1) for corpus in origin.tolist()])
    content, group = heard.pointers("audio")[rows], heard.groups["audio"]["speaker"]
    table = heard.contents["audio"]
    copied = heard.replace(
        contents={"audio": as_table([table[int(i)] for i in content])},
        rows=np.arange(len(rows), dtype=np.int32)[:, None],
        label=heard.label[rows],
        split=heard.split[rows],
        groups={"audio": {"speaker": Group(group.ids[content], group.names)}},
    )
    return copied, origin[rows]


def clips(folder: Path) -> list[Recording]:
    """The recordings of digits below a folder, as `read_speech` takes them."""
    found, _ = recordings_of(folder, {*DIGITS, *WORDS, *WORDS.values()})
    return [clip for clip in found if class_named(clip.label, DIGITS)]


def partners(heard: Dataset, origin: np.ndarray, label: np.ndarray, without: str, seed: int) -> np.ndarray:
    """(rows,) a recording of each label's class, the corpora but one as often as SHARES says."""
    random = np.random.default_rng(seed)
    shares = dict(SHARES)
    lost = shares.pop(without, 0.0)
    other = next(name for name in CORPORA if name in shares)
    shares[other] += lost
    content, drawn = heard.pointers("audio"), np.empty(len(label), np.int32)
    corpus = random.choice([CORPORA.index(name) for name in shares], len(label), p=list(shares.values()))
    for digit in range(len(DIGITS)):
        for number in np.unique(corpus):
            rows = np.flatnonzero((label == digit) & (corpus == number))
            drawn[rows] = random.choice(content[(heard.label == digit) & (origin == number)], len(rows))
    return drawn


def with_drawings(seen: Dataset, count: int, seed: int) -> tuple[Dataset, np.ndarray]:
    """The data set with a further row for each of `count` rows, drawn at random: its picture as drawn. Also
    (count,) those rows. No split divides a picture and its drawing."""
    rows = np.random.default_rng(seed).permutation(len(seen))[:count]
    pictures, pointers = np.asarray(seen.contents["image"]), seen.pointers("image")
    views = drawn(pictures[:, 0], pointers[rows], seed)
    digit = np.concatenate([np.arange(len(pictures)), pointers[rows]])
    return seen.replace(
        contents={"image": np.concatenate([pictures, views])},
        rows=np.concatenate([pointers, len(pictures) + np.arange(count)])[:, None].astype(np.int32),
        label=np.concatenate([seen.label, seen.label[rows]]),
        split=np.concatenate([seen.split, seen.split[rows]]),
        groups={"image": {"digit": Group(digit.astype(np.int32), tuple(map(str, range(len(pictures)))))}},
        name="mnist, drawn",
    ), rows


def training_pictures(folder: Path) -> Dataset:
    """MNIST's training pictures, none of its test pictures."""
    seen = read_pictures(folder, READING)
    seen = seen.select(seen.rows_of("train"))
    used, pointers = np.unique(seen.pointers("image"), return_inverse=True)
    return seen.replace(
        contents={"image": np.asarray(seen.contents["image"])[used]}, rows=pointers[:, None].astype(np.int32)
    )


def paired(folders: Mapping[str, Path], pictures: Path, drawings: int, seed: int = 0) -> Dataset:
    """What the packaged model is trained on: MNIST's training pictures and drawings of them with recordings
    of all corpora. A drawing has the recording of its picture, so that no split divides them."""
    seen = training_pictures(pictures)
    heard, origin = speech(folders)
    clips = partners(heard, origin, seen.label, "", seed)
    seen, again = with_drawings(seen, drawings, seed)
    rows = np.stack([seen.pointers("image"), np.concatenate([clips, clips[again]])], 1)
    return Dataset(
        spec=Spec(DIGITS, {"image": seen.spec["image"], "audio": heard.spec["audio"]}),
        contents={"image": np.asarray(seen.contents["image"]), "audio": heard.contents["audio"]},
        rows=rows.astype(np.int32),
        label=seen.label,
        split=np.full(len(rows), SPLITS.index("train"), np.int8),
        groups={**heard.groups, **seen.groups},
        pairing="drawn within class",
        name="mnist, drawn, " + ", ".join(folders),
        sources=(*seen.sources, *heard.sources),
    )


def but_one(folders: Mapping[str, Path], without: str, rows: int, seed: int) -> Dataset:
    """Recordings alone: `rows` to train on from the other corpora, every clip of the one left out to test."""
    heard, origin = speech(folders, without)
    label = np.arange(rows) % len(DIGITS)
    tested = np.flatnonzero(origin == CORPORA.index(without))
    pointers = np.concatenate(
        [partners(heard, origin, label, without, seed), heard.pointers("audio")[tested]]
    )
    side = np.repeat([SPLITS.index("train"), SPLITS.index("test")], [rows, len(tested)])
    return heard.replace(
        rows=pointers[:, None].astype(np.int32),
        label=np.concatenate([label, heard.label[tested]]),
        split=side.astype(np.int8),
        pairing="drawn within class",
        name=f"without {without}",
    )


# --------------------------------------------------------------------------------------------------- training


def trained(data: Dataset, config: Config, out: Path) -> tuple[Run, Dataset]:
    """The run in `out`, trained; an epoch a line on the way."""
    run, data, splits = begin(data, data.name, config, "best", out, overwrite=True)
    for epoch in train(run, data, splits):
        said = ", ".join(f"{name} {score:.4f}" for name, score in getattr(epoch, "scores", {}).items())
        print(f"{data.name}, epoch {epoch.number}: {said}", flush=True)
    return run, data


def score_without(folders: Mapping[str, Path], without: str, rows: int, seed: int, out: Path) -> dict:
    """Macro-F1 on a corpus that the model never heard, and by speaker."""
    began = time.process_time()
    data = but_one(folders, without, rows, seed)
    chosen = dataclasses.replace(config(seed), modalities=("audio",))
    run, data = trained(data, chosen, out / f"without-{without}-{seed}")
    found = evaluate(run.model(), data, data.rows_of("test"))
    said = found.probabilities[Condition("audio")].argmax(1)
    right = said == found.label
    group = data.groups["audio"]["speaker"]
    speaker = group.ids[data.pointers("audio")[found.rows]]
    by_speaker = {group.names[i]: float(right[speaker == i].mean()) for i in np.unique(speaker)}
    return {
        "without": without,
        "seed": seed,
        "macro_f1": f1_score(found.label, said, average="macro"),
        "by_speaker": by_speaker if len(by_speaker) < 10 else {},
        "cpu_seconds": time.process_time() - began,
    }


def is_left_out(speaker: str) -> bool:
    """Whether this speaker of a real corpus is left out to measure `known`: two of the Free Spoken Digit
    Dataset, a third of Speech Commands' (their names are hexadecimal)."""
    return speaker in unknowns.SPEAKERS or (len(speaker) == 8 and speaker[0] in "01234")


def score_unheard(folders: Mapping[str, Path], data: Path, seed: int, out: Path) -> dict[str, Any]:
    """How a model of recordings that was trained with negatives, but without some speakers, takes digits that
    these say: number, accuracy, AUROC against what trains nothing (benchmarks/unknowns.py), and the share for
    which `known` is below 0.5; by corpus."""
    heard, _ = speech(folders)
    names = heard.groups["audio"]["speaker"]
    said_by = np.array(names.names)[names.ids[heard.pointers("audio")]]
    strangers = np.array([is_left_out(name) for name in said_by])
    rest = heard.select(~strangers)
    everything = np.full(len(rest), SPLITS.index("train"), np.int8)
    train = with_negatives(rest.replace(name="unheard", split=everything), NEGATIVES // 2, seed)
    chosen = dataclasses.replace(config(seed), modalities=("audio",))
    run, _ = trained(train, chosen, out / f"unheard-{seed}")
    predictor, result = Predictor.open(run), {}
    others = np.concatenate(list(unknowns.of_kinds(predictor, data, "audio", 200, 0).values()))
    for name in CORPORA[:2]:
        spoken = [clip for clip in clips(folders[name]) if is_left_out(clip.speaker)]
        known = unknowns.known(predictor, "audio", [clip.path for clip in spoken])
        right = [
            predictor.predict(audio=clip.path).label == class_named(clip.label, DIGITS) for clip in spoken
        ]
        score = [np.mean(right), unknowns.auroc(known, others), np.mean(known < 0.5)]
        result[name] = [len(known), *map(float, score)]
    return {"seed": seed, **result}


# --------------------------------------------------------------------------------------------------- pictures


def score_pictures(run: Path, data: Path) -> dict[str, tuple[float, int]]:
    """Accuracy, image only, and number of pictures by set: MNIST's test digits and digits of other origin,
    read as a user's would be (benchmarks/drawings.py)."""
    predictor = Predictor.open(run)
    sets = drawings.sets(data, rows=1_000, chosen=False)
    return {name: (drawings.score(predictor, seen, digit)[0], len(seen)) for name, seen, digit in sets}


def score_strange(run: Path, data: Path) -> list[list[str]]:
    """Lines of a table: how well `known` tells digits from kinds that trained nothing
    (benchmarks/unknowns.py)."""
    predictor = Predictor.open(run)
    return [line for m in ("image", "audio") for line in unknowns.measured(predictor, data, m, 200, 0)]


def score_noises(run: Path, data: Path) -> list[tuple[str, float, int]]:
    """Accuracy, audio only, and answers that are wrong at 0.9 and above, beside louder noises, 300 clips
    (benchmarks/thumps.py)."""
    spoken = thumps.words(data, 300, tuning=False, seed=0)
    return [each[:3] for each in thumps.outcomes(Predictor.open(run), spoken, 0.0)]


def score_accents(run: Path) -> dict[str, tuple[float, int]]:
    """Accuracy, audio only, and number of recordings by synthetic accent that trained nothing
    (benchmarks/accents.py)."""
    return accents.scores(Predictor.open(run), readers=20)


def wilson(share: float, count: int) -> str:
    """A share with its 95 % interval (Wilson 1927)."""
    spread, z = count + 1.96**2, 1.96
    middle = (share * count + z**2 / 2) / spread
    half = z / spread * (share * (1 - share) * count + z**2 / 4) ** 0.5
    return f"{share:.3f} ({middle - half:.3f} to {middle + half:.3f})"


# ------------------------------------------------------------------------------------------------------- card

CARD = """---
library_name: seesay
license: apache-2.0
tags: [multimodal, image-classification, audio-classification]
---

# The model of digits that comes with seesay

Recognises 0 to 9 from a picture of one handwritten digit, from a recording of one spoken English digit, or
both. `seesay predict --image seven.png --audio seven.wav` and `seesay.load()` use it. {parameters:,}
parameters, {megabytes:.2f} MB; recipe `best` with the changes in `scripts/make_model.py`; {cpu:.0f} s of
CPU time ({processor}).

    $ make model DATA=folder

## Trained on

| what | used | licence |
|---|---|---|
| MNIST's training part (LeCun, Cortes, Burges) | {pictures:,} pictures | CC BY-SA 3.0 |
| Free Spoken Digit Dataset (Jackson et al.) | {fsdd} | CC BY-SA 4.0 |
| Speech Commands, digits (Warden 2018), a part of it | {speech_commands} | CC BY 4.0 |
| Kokoro-82M's voices and mixtures of them (hexgrad) | {neural} | Apache-2.0 |
| the same, as learners of English say the digits | {learners} | Apache-2.0 |
| espeak-ng's variants | {formant} | not covered by its GPL |
| espeak-ng's voices of eight other languages | {foreign} | not covered by its GPL |

No recording, picture or voice is part of seesay; the weights are. Recordings are read at 8 kHz, so all
corpora have the same bandwidth, and are changed at every epoch: speed and pitch, microphone, band, room,
babble, noise at 0 to 40 dB, loudness, clipping, cuts at the word's edges. Pictures are shifted, turned and
stretched; half of them were enlarged, cropped, thickened, blurred, grained or photographed, and read as a
user's would be. The network of speech was trained by Google before (Apache-2.0; signal/speech.py). Negatives
were rendered and synthesised (scripts/negatives.py).

## Scores

What follows was measured on corpora that the measured model had not been trained on: for recordings the same
training without that corpus (synthetic voices stay), for pictures this model, which knows MNIST's training
part only. The two corpora and half of each set of pictures, the other half than here, were in view when
changes and the picture reader were chosen (docs/log.md): a corpus that nobody has looked at may score lower.

| audio only, left out | macro-F1, mean ± std | seeds |
|---|---|---|
{corpora}

By speaker of the Free Spoken Digit Dataset, accuracy of the models that never heard any of them (mean over
seeds; 500 clips each), and the accent as its metadata says: {speakers}.

**Accents** that trained nothing, synthetic: espeak-ng's voices of four languages read the English words as
these are spelled by ear in their own (benchmarks/accents.py); eight other languages trained.

| accent, audio only | accuracy (95 % interval) |
|---|---|
{accents}

| image only | accuracy (95 % interval) |
|---|---|
{images}

**None of these.** How well `known` tells digits from kinds of pictures and recordings that trained nothing,
and the share of each that 0.5 turns away; digits of MNIST's test part, and of speakers that this model has
heard:

| kind | number | AUROC | known below 0.5 |
|---|---|---|---|
{strange}

The same of speakers that the model never heard: two of the Free Spoken Digit Dataset and a third of Speech
Commands' were left out of the same training of recordings ({unheard_seeds} seed or seeds):

| audio: digits of speakers never heard | number | accuracy | AUROC | known below 0.5 |
|---|---|---|---|---|
{unheard}

**Beside louder noises.** A word in three seconds of faint noise and another noise, its peak as high as the
word's; 300 clips of the training corpora, so this shows the noise and not the voices:

| noise | accuracy (95 % interval) | wrong at 0.9 and above |
|---|---|---|
{noises}

This model on its own validation rows (speakers that it was not trained on, pictures that it was not):
{valid}.

## Known failures

- One digit at a time. Of what is none, some gets a digit: `known` and `--reject` say so more often than not
  (table above). Without `--reject` everything gets the nearest digit.
- What surrounds the paper in a photo is taken for ink: crop to the paper. Thin frames and rules that a stroke
  lies along are taken for ink as well.
- English only. Of real accents it was measured on few; the weakest speaker above shows what to expect.
- Quick words cut short: a six or a three that has lost its consonants is heard as eight.
- A slam, half a second of low noise louder than the word, takes its place.
- Scores are calibrated on validation rows of the corpora above; in other rooms they are more certain than
  right.
"""


def card(run: Run, pictures: int, folders: Mapping[str, Path], report: dict[str, Any]) -> str:
    """The text of MODEL_CARD.md. `pictures`: number of those of MNIST that it was trained on."""
    latest = {(score["without"], score["seed"]): score for score in report["without"]}
    without: dict[str, list[dict]] = {}
    for score in latest.values():
        without.setdefault(score["without"], []).append(score)
    corpora, speakers = [], ""
    for name, scores in without.items():
        values = [score["macro_f1"] for score in scores]
        spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
        corpora.append(f"| {name} | {np.mean(values):.4f}{spread} | {len(values)} |")
        if scores[0]["by_speaker"]:
            names = scores[0]["by_speaker"]
            means = {n: np.mean([score["by_speaker"][n] for score in scores]) for n in names}
            who = {n: f"{n} ({SPOKEN.get(n, 'not said')})" for n in means}
            speakers = ", ".join(f"{who[n]} {mean:.3f}" for n, mean in means.items())
    valid = run.epochs()[-1]["scores"]
    counts = {name: _counted(folder) for name, folder in folders.items() if name != "voices"}
    kinds = {
        "neural": "k",
        "learners": "l",
        "formant": "e",
        "foreign": "a",
    }  # what make_voices.py's names begin with
    counts |= {name: _counted(folders["voices"], letter) for name, letter in kinds.items()}
    size = (run.folder / "model.safetensors").stat().st_size
    return CARD.format(
        parameters=sum(p.numel() for p in run.model().parameters()),
        megabytes=size / 1e6,
        cpu=report["cpu_seconds"],
        processor=report["processor"],
        pictures=pictures,
        corpora="\n".join(corpora),
        images="\n".join(f"| {name} | {wilson(*score)} |" for name, score in report["images"].items()),
        accents="\n".join(f"| {name} | {wilson(*score)} |" for name, score in report["accents"].items()),
        strange="\n".join(f"| {' | '.join(line)} |" for line in report["strange"]),
        unheard_seeds=len(report["unheard"]),
        unheard="\n".join(_unheard(report["unheard"])),
        noises="\n".join(
            f"| {name} | {wilson(share, 300)} | {sure} |" for name, share, sure in report["noises"]
        ),
        speakers=speakers,
        valid=", ".join(f"{name} {score:.4f}" for name, score in valid.items()),
        **counts,
    )


def _unheard(scores: list[dict[str, Any]]) -> Iterator[str]:
    """Lines of the table, the mean of what `score_unheard` gave."""
    for name in CORPORA[:2] if scores else ():
        count, right, auroc, refused = np.mean([score[name] for score in scores], 0)
        yield f"| {name} | {count:,.0f} | {right:.3f} | {auroc:.4f} | {refused:.3f} |"


def _counted(folder: Path, kind: str = "") -> str:
    """`kind`: what the speaker's name begins with."""
    found = [clip for clip in clips(folder) if clip.speaker.startswith(kind)]
    return f"{len(found):,} clips of {len({clip.speaker for clip in found}):,} voices"


# ------------------------------------------------------------------------------------------------------- main


def main() -> None:
    parser = argparse.ArgumentParser(description="The model that comes with seesay.")
    parser.add_argument("data", type=Path, help="folder with mnist, fsdd and speech_commands")
    parser.add_argument("voices", type=Path, help="folder that make_voices.py wrote")
    parser.add_argument("--out", type=Path, default=Path("build/model"), help="working folder")
    parser.add_argument("--rows", type=int, default=60_000, help="rows of a fold of leave-one-corpus-out")
    parser.add_argument("--seeds", type=int, default=5, help="of leave-one-corpus-out")
    parser.add_argument(
        "--without", choices=CORPORA[:2], help="one fold of leave-one-corpus-out, nothing else"
    )
    parser.add_argument(
        "--unheard", action="store_true", help="how `known` takes speakers that were left out, nothing else"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drawings", type=int, default=60_000, help="rows with a drawing of a picture")
    parser.add_argument(
        "--pictures-only", action="store_true", help="train the picture encoder alone, in OUT/pictures"
    )
    parser.add_argument(
        "--card", action="store_true", help="measure and write the card of what is trained already"
    )
    given = parser.parse_args()
    for folder in (*(given.data / name for name in ("mnist", *CORPORA[:2])), given.voices):
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder", "See what `data` and `voices` hold: --help.")
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    folders = {
        "fsdd": given.data / "fsdd",
        "speech_commands": given.data / "speech_commands",
        "voices": given.voices,
    }
    scores, unheard = given.out / "without.jsonl", given.out / "unheard.jsonl"
    if given.unheard:
        _note(unheard, score_unheard(folders, given.data, given.seed, given.out))
        return
    if given.without:
        _note(scores, score_without(folders, given.without, given.rows, given.seed, given.out))
        return
    if given.pictures_only:
        seen, _ = with_drawings(training_pictures(given.data / "mnist"), given.drawings, given.seed)
        chosen = dataclasses.replace(config(given.seed), modalities=("image",))
        trained(seen, chosen, given.out / "pictures")
        return
    took = given.out / "cpu_seconds"
    if not given.card:
        check_fonts()
        scores.unlink(missing_ok=True)
        unheard.unlink(missing_ok=True)
        pairs = paired(folders, given.data / "mnist", given.drawings, given.seed)
        data = with_negatives(pairs, NEGATIVES, given.seed)
        began = time.process_time()
        trained(data, config(given.seed), given.out / "run")
        took.write_text(str(time.process_time() - began))
        for seed in range(given.seeds):
            for name in CORPORA[:2]:
                _note(scores, score_without(folders, name, given.rows, seed, given.out))
            _note(unheard, score_unheard(folders, given.data, seed, given.out))
    run = Run.open(given.out / "run")
    report = {
        "without": _noted(scores),
        "unheard": _noted(unheard),
        "images": score_pictures(run.folder, given.data),
        "strange": score_strange(run.folder, given.data),
        "noises": score_noises(run.folder, given.data),
        "accents": score_accents(run.folder),
        "cpu_seconds": float(took.read_text()),
        "processor": environment()["processor"],
    }
    pictures = len(training_pictures(given.data / "mnist"))
    PACKAGED.mkdir(exist_ok=True)
    for name in ("config.json", "model.safetensors", "epochs.jsonl"):
        shutil.copyfile(run.folder / name, PACKAGED / name)
    run.write("scores.json", json.dumps(report, indent=2) + "\n")
    (PACKAGED / "MODEL_CARD.md").write_text(card(run, pictures, folders, report))
    print(f"{PACKAGED} holds the model and its card")


def _noted(scores: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in scores.read_text().splitlines()] if scores.exists() else []


def _note(scores: Path, score: dict) -> None:
    print(json.dumps(score), flush=True)
    with scores.open("a") as file:
        file.write(json.dumps(score) + "\n")


if __name__ == "__main__":
    try:
        main()
    except SeesayError as error:
        raise SystemExit(f"make_model: {error}") from None
