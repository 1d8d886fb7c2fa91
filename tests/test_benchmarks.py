"""What the benchmarks count: when a score was reached, and that every contender does the same task."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks import __main__ as everything
from benchmarks import ablation, accents, contenders, photos, prediction, segments, speakers, thumps, training
from benchmarks.door import one_line_of_errors

from seesay.config import Config, SplitConfig
from seesay.data.dataset import Group
from seesay.model.classifier import Classifier
from seesay.plain import to_dict
from seesay.recipes import USUAL_KINDS, recipe
from seesay.search.space import apply
from tiny import tiny_config, tiny_data


def reached(scores: list[float], monkeypatch: pytest.MonkeyPatch) -> training.Reached:
    """What is counted where the looks, 640 rows apart, see these scores; the target is 0.998."""
    data, seen = tiny_data(), iter(scores)

    def loop(data, rows, config) -> Iterator[tuple[Classifier, int]]:
        model = training.fresh(config, data, rows)
        for look in range(len(scores)):
            yield model, 640 * (look + 1)

    monkeypatch.setitem(training.LOOPS, "fake", loop)
    monkeypatch.setattr(training, "validate", lambda model, rows: {"image+audio": next(seen)})
    return training.time_to_score(data, training.quick(0), "fake", 0.998)


def test_a_score_counts_when_it_is_held(monkeypatch: pytest.MonkeyPatch):
    found = reached([0.9, 0.999, 0.99, 0.998, 0.999, 0.999, 0.999, 0.5], monkeypatch)
    assert (found.rows, found.score) == (4 * 640, 0.998)


def test_a_score_that_training_ends_with_counts(monkeypatch: pytest.MonkeyPatch):
    assert reached([0.9, 0.99, 0.999], monkeypatch).rows == 3 * 640


def test_a_score_that_is_lost_or_never_reached_does_not_count(monkeypatch: pytest.MonkeyPatch):
    found = reached([0.9, 0.999, 0.99], monkeypatch)
    assert math.isinf(found.seconds)


@pytest.mark.parametrize("name", training.LOOPS)
def test_every_loop_learns(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training, "EVERY", 64)
    quick = training.quick(0)
    config = dataclasses.replace(quick, optim=dataclasses.replace(quick.optim, epochs=30))
    found = training.time_to_score(tiny_data(each=60), config, name, 0.95, limit=20)
    assert found.score >= 0.95
    assert 0 < found.seconds < math.inf


@pytest.mark.parametrize("name", training.LOOPS)
def test_a_seed_means_one_training(name: str, monkeypatch: pytest.MonkeyPatch):
    """Dropout, too, draws from the seed."""
    monkeypatch.setattr(training, "EVERY", 64)
    data = tiny_data(each=60)

    def weights() -> torch.Tensor:
        model, _ = next(training.LOOPS[name](data, data.rows_of("train"), training.quick(0)))
        return torch.cat([weight.detach().flatten() for weight in model.parameters()])

    assert torch.equal(weights(), weights())


def test_the_support_vector_machine_is_measured_on_both_modalities():
    standing = contenders.support_vector_machine(tiny_data(each=60), rows=60, tested=40, seeds=2)
    assert len(standing.scores) == len(standing.seconds) == 2
    assert 0 <= min(standing.scores) <= max(standing.scores) <= 1
    assert standing.pairs > 0
    assert standing.latency > 0


def test_peak_memory_is_that_of_the_process():
    assert prediction.peak_memory() > 50  # MiB: torch alone is more


@pytest.mark.parametrize(
    ("modality", "choice"), [(m, choice) for m, choices in ablation.WITHOUT.items() for choice in choices]
)
def test_every_choice_is_one_of_the_recipe(modality: str, choice: str):
    """Without it the config is another one, and nothing else is changed."""
    small, change = recipe("small").naming(USUAL_KINDS), ablation.WITHOUT[modality][choice]
    without = apply(small, change)
    assert without != small
    assert apply(without, {name: value_of(small, name) for name in change}) == small


def value_of(config: Config, name: str) -> Any:
    value = to_dict(config)
    for field in name.split("."):
        value = value[field]
    return value


def test_what_a_choice_gains_is_measured_by_the_same_seeds():
    data = tiny_data(each=40)
    config = dataclasses.replace(tiny_config(), modalities=("image",))
    found = list(ablation.gains(data, "image", config, 2, {"none": {}, "no steps": {"optim.lr": 1e-8}}))
    (first, whole, _), (second, same, _), (_, worse, _) = found
    assert (first, second) == ("nothing", "none")
    assert whole.tolist() == same.tolist()
    assert (worse < whole).all()


def test_held_out_speakers_are_tested_once_a_clip_and_never_trained_on(tmp_path: Path):
    """The tiny recordings, a row each; ann and bob are held out as the pair, cleo as another corpus."""
    data = tiny_data(modalities=["audio"])
    clips = np.arange(len(data.contents["audio"]))
    heard = data.replace(
        rows=clips[:, None].astype(np.int32), label=clips // 8, split=np.full(len(clips), -1, np.int8)
    )
    found = speakers.held_out(heard, ["ann", "bob", "cleo"], rows=60)
    who = found.groups["audio"]["speaker"].ids[found.pointers("audio")]
    assert set(who[found.rows_of("train")]) == {3}
    assert sorted(found.pointers("audio")[found.rows_of("test")]) == [i for i in clips if i // 2 % 4 < 3]
    assert np.bincount(found.pointers("audio")[found.rows_of("train")])[6:8].tolist() == [10, 10]
    config = tiny_config(modalities=("audio",), split=SplitConfig(valid=0))
    outcome = speakers.outcome(found, ("ann", "bob"), config, tmp_path / "run")
    assert set(outcome.scores) == {(c, m) for c in ("FSDD", "Speech Commands") for m in speakers.MEASURES}
    assert outcome.clips == {"FSDD": 12, "Speech Commands": 6}


def test_pairs_of_speakers_have_a_mean_and_a_range():
    def scored(pair: tuple[str, str], score: float) -> speakers.Outcome:
        names = [(c, m) for c in ("FSDD", "Speech Commands") for m in speakers.MEASURES]
        return speakers.Outcome(
            pair, dict.fromkeys(names, score), {"FSDD": 1_000, "Speech Commands": 106}, 1.0
        )

    lines = speakers.table([
        scored(("a", "b"), 0.8), scored(("a", "b"), 0.9), scored(("a", "c"), 0.95), scored(("a", "c"), 0.95),
    ]).splitlines()  # fmt: skip
    assert lines[2].startswith("| a + b | 1,000 + 106 | 0.8500 ± 0.0707 |")
    assert lines[4].startswith("| mean ± std of 2 pairs |  | 0.9000 ± 0.0707 |")
    assert lines[5].startswith("| range |  | 0.8500 to 0.9500 |")


def test_a_dictation_has_its_words_where_its_marks_are():
    words = [thumps.Spoken(label, np.full(4_000, 0.1), 8_000) for label in "123"]
    made = segments.dictation(words, 8_000, -90.0, 0)
    loud = np.flatnonzero(np.abs(made.waveform) > 0.05) / 8_000
    assert [label for *_, label in made.marks] == ["1", "2", "3"]
    for start, end, _ in made.marks:
        assert end - start == pytest.approx(0.5, abs=0.03)
        assert ((loud > start - 0.02) & (loud < end + 0.02)).sum() == pytest.approx(4_000, abs=5)
    assert loud.max() < len(made.waveform) / 8_000 - 0.29


def test_accents_are_scored_apart(monkeypatch: pytest.MonkeyPatch):
    """A reader says the ten digits, of which this predictor gets one right."""

    def said(language: str, number: int) -> Iterator[np.ndarray]:
        return (np.full(100, number) for _ in range(10))

    class Three:
        def predict(self, audio: tuple[np.ndarray, int]) -> SimpleNamespace:
            return SimpleNamespace(label="3")

    monkeypatch.setattr(accents, "foreign_words", said)
    predictor: Any = Three()
    assert accents.scores(predictor, 4) == dict.fromkeys(accents.LANGUAGES.values(), (0.1, 40))


@pytest.mark.parametrize("noise", [name for name, call in thumps.NOISES.items() if call is not None])
@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.5])
def test_a_noise_is_as_loud_as_the_word_and_apart_from_it(noise: str, seconds: float):
    word = thumps.Spoken("7", np.full(round(8_000 * seconds), 0.5), 8_000)
    for seed in range(5):
        alone = thumps.scene(word, thumps.NOISES[noise], -200.0, seed)
        both = thumps.scene(word, thumps.NOISES[noise], 0.0, seed)
        loud = np.flatnonzero(np.abs(both - alone) > 1e-3)
        spoken = np.flatnonzero(alone > 0.4)
        assert np.abs(both - alone).max() == pytest.approx(0.5, abs=0.05)
        assert loud.max() + 0.3 * 8_000 <= spoken.min() or loud.min() >= spoken.max() + 0.3 * 8_000


@pytest.mark.parametrize(
    ("main", "words", "said"),
    [
        (everything.main, "--data nope", "No such file or data set: 'nope'"),
        (everything.main, "--recipes nope", "there is no recipe 'nope'"),
        (everything.main, "--run nope", "nope is not a run"),
        (prediction.main, "nope nope", "nope is not a run"),
        (contenders.main, "seesay nope", "No such file or data set: 'nope'"),
        (ablation.main, "--recipe nope", "there is no recipe 'nope'"),
        (ablation.main, "--modalities audio --choices moving", "audio has none of the choices moving"),
        (ablation.main, "--seeds 0", "expected 1 or more, got 0"),
        (speakers.main, "--data nope", "nope/open_wsd_test_speakers.txt is not there"),
        (segments.main, "--clips 8 --data nope", "nope/open_wsd_test_speakers.txt is not there"),
        (thumps.main, "--clips 9 --data nope", "nope/open_wsd_test_speakers.txt is not there"),
        (speakers.main, "--data nope --pairs george+jakson", "Did you mean 'jackson'?"),
        (speakers.main, "--data nope --pairs george", "expected two different speakers, got george"),
    ],
)
def test_what_cannot_be_measured_is_one_line_before_anything_is(
    main: Callable[[], None],
    words: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr("sys.argv", ["benchmarks", *words.split()])
    with pytest.raises(SystemExit) as left:
        one_line_of_errors(main)
    assert left.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_few_photos_of_each_class_train_and_the_others_test():
    data = tiny_data(each=9, modalities=("image",))
    first, second = (photos.drawn(data, each=2, seed=seed) for seed in (0, 1))
    assert [np.sum(data.label[first.split == photos.TRAIN] == k) for k in range(3)] == [2, 2, 2]
    assert np.sum(first.split == photos.TEST) == 3 * 7
    assert not np.array_equal(first.split, second.split)


def test_pairs_of_photos_and_sounds_share_no_source():
    """Each recording has a source of its own but for pairs of takes."""
    seen = tiny_data(each=8, modalities=("image",))
    seen = seen.replace(spec=dataclasses.replace(seen.spec, classes=tuple(photos.PAIRED)))
    heard = tiny_data(each=8, modalities=("audio",))
    sources = Group(np.arange(24, dtype=np.int32) // 2, tuple(map(str, range(12))))
    heard = heard.replace(
        spec=dataclasses.replace(heard.spec, classes=tuple(photos.PAIRED.values())),
        groups={"audio": {"source": sources}},
    )
    data = photos.paired(seen, heard, each=3, seed=0)
    train, test = data.split == photos.TRAIN, data.split == photos.TEST
    assert np.sum(train) == 9
    assert np.sum(test) == 15
    for modality, ids in (("image", np.arange(24)), ("audio", sources.ids)):
        sides = [set(ids[data.pointers(modality)[side]]) for side in (train, test)]
        assert not sides[0] & sides[1]
    for row in np.flatnonzero(train | test):
        assert seen.label[data.pointers("image")[row]] == data.label[row]


def test_a_fold_is_named_by_the_file():
    data = tiny_data(each=2, modalities=("audio",))
    data = data.replace(
        files=("a/1-7-A.ogg", "a/2-8-A.ogg", "b/1-9-B.ogg", "b/3-9-B.ogg", "c/2-1.ogg", "c/12-1.ogg")
    )
    assert list(np.flatnonzero(photos.by_fold(data, 2).split == photos.TEST)) == [1, 4]
