"""The command line: one function per command, whose signature is its options. Nothing heavy is imported
before it must."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from seesay.cli.options import parse
from seesay.cli.terminal import (
    console,
    describe_data,
    print_comparison,
    print_embedding,
    print_json,
    print_prediction,
    print_scores,
    print_validation,
    progress_bar,
    say_notes,
    tracking,
    watching,
)
from seesay.config import Config
from seesay.errors import ConfigError, InputError, SeesayError, nearest
from seesay.formats.source import check_inputs, check_path
from seesay.recipes import RECIPES
from seesay.registry import plugin_words
from seesay.tables import Format

Settings = Annotated[Config, tyro.conf.arg(name="")]
Words = tyro.conf.Positional
Device = Literal["auto", "cpu", "cuda"]
OnBad = Literal["stop", "skip"]
Recipe = Annotated[str, tyro.conf.arg(metavar=f"{{{','.join(RECIPES)}}}")]


def data_build(
    pictures: Path,
    recordings: tuple[Path, ...],
    out: Path,
    test_speakers: Path | None = None,
    rows: tuple[int, int] | None = None,
    seed: int = 0,
    rate: int | None = None,
    reader: Literal["auto", "ink", "photo"] = "auto",
    size: int | None = None,
    max_side: int = 256,
    name_pattern: str | None = None,
    overwrite: bool = False,
) -> None:
    """Pair pictures with recordings of the same class; no speaker stands on both sides.

    Args:
        pictures: Folder of MNIST idx files, or one folder of pictures per class.
        recordings: Folders of recordings.
        out: Folder to make.
        test_speakers: File that names the speakers who are only ever tested, one a line. Without it a fifth,
            drawn.
        rows: How many rows to train on and how many to test on; without it every picture is one (MNIST: 60000
            10000).
        seed: Of the pairing.
        rate: Samples a second. Without it the lowest rate of the recordings, at most 16000.
        reader: How picture files are read: ink is cropped and centred as MNIST was, photos stay as they are.
        size: Height and width of ink, in pixels. Without it 28.
        max_side: Pixels of the longer side that photos are kept with at most.
        name_pattern: What names of recordings mean, such as {label}_{speaker}_{take}. Without it, found out.
        overwrite: Replace the folder if seesay made it.
    """
    from seesay.formats.media import Reading
    from seesay.formats.pairing import build

    reading = Reading(rate, reader, size, max_side, name_pattern=name_pattern)
    with tracking() as track:
        data = build(pictures, recordings, out, test_speakers, rows, seed, reading, overwrite, track)
    describe_data(data, out)


def data_import(
    source: Words[str],
    out: Path,
    rate: int | None = None,
    reader: Literal["auto", "ink", "photo"] = "auto",
    size: int | None = None,
    max_side: int = 256,
    columns: tuple[str, ...] = (),
    on_bad: OnBad = "stop",
    name_pattern: str | None = None,
    overwrite: bool = False,
) -> int:
    """Read any known layout into a data set folder.

    Args:
        source: Kaggle or Zenodo folder, .npz, MNIST idx folder, folder of pictures, recordings or both, CSV,
            JSON Lines or Parquet manifest.
        out: Folder to make.
        rate: Samples a second. Without it the lowest rate of the recordings, at most 16000.
        reader: How picture files are read: ink is cropped and centred as MNIST was, photos stay as they are.
        size: Height and width of ink, in pixels. Without it 28.
        max_side: Pixels of the longer side that photos are kept with at most.
        columns: What your table calls our columns, as in image=photo label=class group=patient; other names
            on the left are modalities, as in front=photo_1 side=photo_2.
        on_bad: Stop at files that cannot be read, or skip their rows and list them in OUT.bad.csv.
        name_pattern: What names in a folder mean: {label}_{speaker}_{take}, or {speaker}/{label}_{take}.
            Without it, found out. {_} is ignored, fields of other names are groups.
        overwrite: Replace the folder if seesay made it.
    """
    from seesay.formats.media import Reading
    from seesay.formats.open import import_data
    from seesay.formats.tables import parse_columns

    reading = Reading(
        rate,
        reader,
        size,
        max_side,
        on_bad=on_bad,
        columns=parse_columns(columns),
        name_pattern=name_pattern,
    )
    with tracking() as track:
        data = import_data(source, out, overwrite, reading, track)
    describe_data(data, out)
    return _say_skipped(out, data)


def data_download(name: Words[Literal["wsd"]], out: Path | None = None) -> None:
    """Fetch the Written and spoken digits database (Zenodo record 4452953), resuming what an earlier try
    began.

    Args:
        name: Which database.
        out: Folder for the files. Without it, the cache folder.
    """
    from seesay.formats.download import download_wsd, progress_bars

    with progress_bars() as progress:
        folder = download_wsd(out, progress=progress, say=print)
    print(f"{name} lies in {folder}")


def data_info(
    source: Words[str], json: bool = False, columns: tuple[str, ...] = (), name_pattern: str | None = None
) -> None:
    """Say what a data set holds, and what to beware of.

    Args:
        source: A data set folder, any layout that import reads, digits, or wsd, which is downloaded.
        json: Print JSON.
        columns: What your table calls our columns, as in image=photo label=class group=patient.
        name_pattern: What names in a folder mean, such as {label}_{speaker}_{take}. Without it, found out.
    """
    from seesay.cli.info_table import print_info
    from seesay.data.info import describe
    from seesay.formats.media import Reading

    info = describe(_open(source, columns, reading=Reading(name_pattern=name_pattern)))
    if json:
        print_json(info.to_dict())
    else:
        print_info(info, console())


def data_show(source: Words[str], out: Path, rows: int = 24, seed: int = 0) -> None:
    """Draw rows as picture, features and label: a contact sheet.

    Args:
        source: A data set folder, any layout that import reads, digits, or wsd, which is downloaded.
        out: PNG file to write.
        rows: How many.
        seed: Which ones.
    """
    from seesay.figures.contact_sheet import draw_sheet
    from seesay.formats.open import open_data

    shown = draw_sheet(open_data(source), out, rows, seed)
    print(f"{out} shows {shown} rows of {source}")


def train(
    data: str,
    out: Path,
    config: Settings,
    recipe: Recipe = "small",
    columns: tuple[str, ...] = (),
    threads: int = 1,
    device: Device = "auto",
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> None:
    """Train a model: a run folder comes out. Any field of the config is a flag.

    Args:
        data: A data set folder, any layout that import reads, digits, or wsd, which is downloaded.
        out: Run folder to make.
        config: What the recipe says, field by field.
        recipe: Where the config starts from.
        columns: What your table calls our columns, as in image=photo label=class group=patient.
        threads: Processor threads. More than one pays only where as many cores are idle, and changes the last
            digits.
        device: Where to compute; auto: on CUDA where there is one.
        resume: Go on with the run in the folder, if it was stopped.
        overwrite: Replace the folder if seesay made it.
        quiet: Print nothing but the scores.
    """
    dataset = _open(data, columns)
    if Path(data).resolve().is_relative_to(out.resolve()):
        raise InputError(f"--out {out} holds the data to train on", "Choose another folder for the run.")
    run, seen, splits = _train(dataset, data, out, config, recipe, threads, device, resume, overwrite, quiet)
    print_validation(run, seen, splits)
    if not quiet:
        scored = any((dataset.label[splits[name]] >= 0).any() for name in ("valid", "test"))
        then = f"evaluate {out}" if scored else f"predict {out} --data DATA --out predictions.csv"
        print(f"Saved to {out}. Next: seesay {then}{plugin_words()}")


def tune(
    data: str,
    out: Path,
    space: str,
    config: Settings,
    recipe: Recipe = "small",
    modality: str | None = None,
    trials: int | None = None,
    folds: int | None = None,
    rows: int | None = None,
    condition: str | None = None,
    threads: int = 1,
    device: Device = "auto",
    json: bool = False,
    quiet: bool = False,
) -> None:
    """Search for better fields of the config: a whole grid, or as many trials as asked. The same command goes
    on.

    Args:
        data: A data set folder, any layout that import reads, digits, or wsd, which is downloaded.
        out: Folder of the search; made, or gone on with. Several processes may share it.
        space: Fields and their values, as in model.dim=32..256:log,model.fusion=concat|gated; or report, a
            grid.
        config: What the recipe says, field by field: all that the space does not name.
        recipe: Where the config starts from.
        modality: Search with this one alone.
        trials: How many sets of values Optuna proposes; without it every combination is tried.
        folds: Of a cross-validation that no group crosses; without it the rows that validate in training.
        rows: Only so many of the rows, drawn at random within each class.
        condition: Whose macro-F1 is to be high, as in image+audio; without it the mean over all conditions.
        threads: Processor threads. More than one pays only where as many cores are idle, and changes the last
            digits.
        device: Where to compute; auto: on CUDA where there is one.
        json: Print JSON.
        quiet: Print nothing but the result.
    """
    import dataclasses

    import optuna

    from seesay.condition import Condition
    from seesay.formats.open import open_data
    from seesay.recipes import recipe as recipe_of
    from seesay.search.report import keep_search, print_search, summary
    from seesay.search.search import Plan, begin
    from seesay.search.space import parse_space

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    dataset = open_data(data)
    config = dataclasses.replace(config, modalities=(modality,)) if modality else config
    alone = config.modalities or dataset.modalities
    plan = Plan(
        parse_space(
            space, alone[0] if len(alone) == 1 else None, config.naming(dataset.spec.kinds, others=True)
        ),
        config,
        trials,
        folds,
        rows,
        Condition(condition) if condition else None,
    )
    found = begin(dataset, plan, out)
    try:
        _search(found, threads, device, quiet)
    finally:
        keep_search(found, recipe_of(recipe))
    if json:
        print_json(summary(found, recipe_of(recipe)))
        return
    print_search(found, console())
    if found.best is not None and not quiet:
        words = " ".join(summary(found, recipe_of(recipe))["best"]["flags"])
        print(f"search.csv, search.json and search.png lie in {out}")
        print(f"Next: seesay train --data {data} --recipe {recipe} --out RUN {words}{plugin_words()}")


def evaluate(
    run: Words[Path],
    data: str | None = None,
    split: Literal["train", "valid", "test"] | None = None,
    columns: tuple[str, ...] = (),
    format: Format = "table",
    json: bool = False,
    quiet: bool = False,
) -> None:
    """Score a run on held-out rows: every condition, with intervals; figures and a model card.

    Args:
        run: Run folder.
        data: Data set; without it the one that the run was trained on.
        split: Which rows; without it test, or valid where no test row has a label.
        columns: What your table calls our columns, as in image=photo label=class group=patient.
        format: How the table is printed.
        json: Print JSON.
        quiet: Print nothing but the scores.
    """
    from seesay.learn.run import Run

    evaluation = _evaluate(run, _open(data or _trained_on(Run.open(run)), columns), split, quiet)
    if json:
        print_json(evaluation.metrics())
        return
    print_scores(evaluation, format)
    if not quiet and format == "table":
        print(f"Figures, metrics.json and a model card: {run}")


def compare(
    runs: Words[tuple[str, ...]],
    data: str | None = None,
    split: Literal["train", "valid", "test"] | None = None,
    condition: str | None = None,
    seed: int = 0,
    format: Format = "table",
    json: bool = False,
    quiet: bool = False,
) -> None:
    """Compare models on the same rows: is one better, or was it chance? Every pair, every condition.

    Args:
        runs: Two or more run folders, or files of probabilities that another program made: .npy of
            (rows, classes), or .csv with a column per class.
        data: Data set; without it the one that the first run was trained on.
        split: Which rows; without it test, or valid where no test row has a label.
        condition: Compare on this one alone, as in image; files stand for it. Without it all that two have in
            common; files stand for all modalities together.
        seed: Of the bootstrap.
        format: How the table is printed.
        json: Print JSON.
        quiet: Print nothing but the result.
    """
    from seesay.measure.compare import compare, lower, sentences

    sides, dataset, held = _sides(runs, data, split, condition)
    pairs, notes = compare(sides, dataset, held.rows, seed)
    said = [*held.notes, *notes, *lower(pairs), INDEPENDENT]
    if json:
        found = {"data": dataset.name, "split": held.split, "notes": said, "sentences": sentences(pairs)}
        print_json({**found, "pairs": [pair.to_dict() for pair in pairs]})
        return
    print_comparison(pairs, format, f"{len(held.rows):,} rows of {held.split} of {dataset.name}")
    if format == "table":
        print("\n".join(sentences(pairs)))
    if not quiet:
        say_notes(said)


INDEPENDENT = (
    "p comes from a paired bootstrap over groups; that of accuracy from McNemar's exact test, which takes "
    "rows as independent: where speakers or recordings repeat, it is too small."
)


def predict(
    run: Words[Path | None] = None,
    image: Path | None = None,
    audio: Path | None = None,
    input: tuple[str, ...] = (),
    data: str | None = None,
    split: Literal["train", "valid", "test", "all"] = "all",
    out: Path | None = None,
    columns: tuple[str, ...] = (),
    on_bad: OnBad = "skip",
    threads: int = 1,
    json: bool = False,
    overwrite: bool = False,
) -> int:
    """Classify a picture, a recording, or both; or all rows of a data set into a CSV.

    Args:
        run: Run folder; without it the trained model of digits that comes with seesay.
        image: Picture file.
        audio: Recording file.
        input: Files of modalities of other names, as in touch=touch.npy front=front.png.
        data: Data set to predict row by row, into --out.
        split: Which rows of the data set.
        out: CSV file to write.
        columns: What your table calls our columns, as in image=photo audio=sound.
        on_bad: Stop at files of --data that cannot be read, or skip their rows and list them in OUT.bad.csv.
        threads: Processor threads, for rows of a data set.
        json: Print JSON.
        overwrite: Replace the CSV file.
    """
    from seesay.serve.batch import write_predictions
    from seesay.serve.predict import Predictor, reading_of

    _at_least_one(threads)
    if data is None:
        if out is not None:
            raise InputError("--out is for rows of a data set: expected --data too", "Leave --out away.")
        prediction = Predictor.open(run).predict(**_inputs(input, image=image, audio=audio))
        print_json(prediction.to_dict()) if json else print_prediction(prediction)
        return 0
    if image or audio or input or out is None:
        raise InputError(
            "--data predicts rows into a file: expected --out, and no --image, --audio or --input"
        )
    from seesay.data.dataset import SPLITS
    from seesay.data.splits import with_rows
    from seesay.learn.run import Run
    from seesay.measure.evaluate import rows_for

    opened = Run.open(run)
    dataset = _open(data, columns, on_bad, reading_of(opened.spec))
    rows = range(len(dataset)) if split == "all" else rows_for(opened, dataset, split)
    if not len(rows):
        others = with_rows({name: rows_for(opened, dataset, name) for name in SPLITS})
        raise InputError(f"{dataset.name} has no {split} rows, none of the rows asked for", others)
    _use(1)  # each thread works at rows of its own
    write_predictions(Predictor.open(opened), dataset, rows, out, overwrite, threads)
    print(f"{out} holds {len(rows)} predictions")
    return _say_skipped(out, dataset)


def _inputs(words: tuple[str, ...], **given: Path | None) -> dict[str, Path]:
    """The files by modality, those of `NAME=FILE` too. Another form, or one twice: InputError."""
    files = {name: path for name, path in given.items() if path is not None}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or not name or not path:
            raise InputError(f"--input takes NAME=FILE, such as touch=touch.npy, got {word!r}")
        if name in files:
            raise InputError(f"{name} is given twice: {files[name]} and {path}", "Give one file.")
        check_path("file")(path)
        files[name] = Path(path)
    return files


def export(
    out: Path,
    run: Words[Path | None] = None,
    inputs: Literal["contents", "features"] = "contents",
    overwrite: bool = False,
) -> None:
    """Write a run's model as one ONNX file, checked against what it says here.

    Args:
        out: ONNX file to write.
        run: Run folder; without it the trained model of digits that comes with seesay.
        inputs: What it will be given: uint8 pictures and int16 waveforms, or features made of them.
        overwrite: Replace the file.
    """
    from seesay.serve.export import export

    export(run, out, inputs, overwrite)
    print(f"{out} takes {inputs}, for any number of rows")


def embed(
    run: Words[Path],
    out: Path,
    data: str | None = None,
    rows: int = 10_000,
    split: Literal["train", "valid", "test"] = "test",
    method: Literal["tsne", "pca", "umap"] = "tsne",
    perplexity: float = 30.0,
    seed: int = 0,
    json: bool = False,
    overwrite: bool = False,
) -> None:
    """Draw a run's encodings in the plane, with k-means beside it, and measure how far classes lie apart in
    them.

    Args:
        run: Run folder.
        out: Folder to make, for figures, embedding.json and encodings.npz.
        data: Data set; without it the one that the run was trained on.
        rows: At most so many distinct pictures, recordings and pairs, drawn at random.
        split: Which rows.
        method: How encodings become points; umap has to be installed.
        perplexity: Of t-SNE: about how many neighbours a point attends to.
        seed: Of the drawing, the projection and the clusters.
        json: Print JSON.
        overwrite: Replace the folder if seesay made it.
    """
    from seesay.data.dataset import SPLITS
    from seesay.data.splits import with_rows
    from seesay.files import make_way
    from seesay.formats.open import open_data
    from seesay.learn.run import Run
    from seesay.measure.embed import embed, keep_embedding, numbers_of, views
    from seesay.measure.evaluate import rows_for
    from seesay.serve.predict import check_fits

    make_way(out, overwrite, delete=False)  # said before the work, not after it
    opened = Run.open(run)
    dataset = open_data(data or _trained_on(opened))
    check_fits(opened.spec, dataset)
    scored = {name: rows_for(opened, dataset, name) for name in SPLITS}
    scored = {name: rows[dataset.label[rows] >= 0] for name, rows in scored.items()}
    picked, train = scored[split], scored["train"]
    if not len(picked):
        raise InputError(f"{dataset.name} has no labelled {split} rows to show", with_rows(scored))
    shown = views(opened.model(), dataset, picked, train, rows, seed)
    with tracking() as track:
        found = list(track(embed(shown, len(dataset.spec.classes), method, perplexity, seed), "projecting"))
    about = {"run": str(run), "data": data or opened.data, "split": split, "method": method, "seed": seed}
    if method == "tsne":
        about = about | {"perplexity": perplexity}
    keep_embedding(found, dataset.spec.classes, out, about, overwrite)
    if json:
        print_json(numbers_of(found))
        return
    print_embedding(numbers_of(found))
    print(f"Figures, embedding.json and encodings.npz lie in {out}")


def submit(run: Words[Path], data: str, out: Path, overwrite: bool = False) -> None:
    """Label the test rows of a competition: a CSV with row_id and label.

    Args:
        run: Run folder.
        data: The competition's folder, as Kaggle hands it out, or what data import made of it.
        out: CSV file to write.
        overwrite: Replace the CSV file.
    """
    from seesay.formats.open import open_data
    from seesay.serve.batch import write_submission
    from seesay.serve.predict import Predictor

    count = write_submission(Predictor.open(run), open_data(data), out, overwrite)
    print(f"{out} holds {count:,} labels")


def reproduce(
    data: str,
    out: Path,
    seeds: int = 1,
    search: bool = False,
    rows: int = 10_000,
    overwrite: bool = False,
    quiet: bool = False,
) -> None:
    """Reproduce the report: its models on a random row split and on one without leaks, figures and numbers.

    Args:
        data: A data set folder, any layout that import reads, digits, or wsd, which is downloaded.
        out: Folder to make, for report.md, report.json, figures and runs. The same command goes on with it.
        seeds: How often each model is trained.
        search: Search the report's grid by cross-validation as well.
        rows: At most so many distinct pictures, recordings and pairs in the pictures of encodings.
        overwrite: Replace the folder if seesay made it.
        quiet: Print nothing but the scores.
    """
    from seesay.formats.open import open_data
    from seesay.reproduce.page import scores_table
    from seesay.reproduce.reproduce import Plan, configs_for, reproduce

    dataset = open_data(data)
    plan = Plan(dataset, data, out, configs_for(dataset), seeds, search, rows)
    for line in reproduce(plan, overwrite):
        if not quiet:
            print(line, file=sys.stderr, flush=True)
    print(scores_table(json.loads((out / "report.json").read_text())))
    print(f"Figures, seconds and all else: {out}/report.md")


def demo(out: Path = Path("demo"), seed: int = 0) -> None:
    """Train on the embedded digits, evaluate on held-out voices and writers, and show what came out.

    Args:
        out: Run folder to make; an earlier demo is replaced.
        seed: Of the training.
    """
    import dataclasses

    from seesay.formats.open import open_data
    from seesay.recipes import recipe

    config, data = dataclasses.replace(recipe("demo"), seed=seed), open_data("digits")
    _train(data, "digits", out, config, "demo", 1, "auto", False, True)
    print_scores(_evaluate(out, data, "test"))
    print(f"Figures: {out}/figures  Model card: {out}/README.md")
    print(f"Next: seesay predict {out} --image PICTURE --audio RECORDING")


COMMANDS: dict[str, Callable[..., int | None]] = {
    "demo": demo,
    "data build": data_build,
    "data import": data_import,
    "data download": data_download,
    "data info": data_info,
    "data show": data_show,
    "train": train,
    "tune": tune,
    "evaluate": evaluate,
    "compare": compare,
    "predict": predict,
    "export": export,
    "embed": embed,
    "submit": submit,
    "reproduce": reproduce,
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command that the arguments name. Returns the exit status: 0 done, 1 rows were skipped, 2 a
    wrong input, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # Two threads on cores that others use too took 5 times the processor time of one, and 7 times as long
    # (docs/log.md).
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    status = 0
    try:
        call = parse(COMMANDS, arguments)
        if call is not None:
            check_inputs(call.keywords)
            status = call() or 0
        sys.stdout.flush()  # here, and not when Python ends: the reader may have gone
    except SeesayError as error:
        print(f"seesay: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as head, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a file that may not be read, a name too long for any disk
        if error.filename is None:
            raise
        said = InputError(f"{error.filename} cannot be used: {error.strerror}", "Check the path.")
        print(f"seesay: {said}", file=sys.stderr)
        return 2
    return status


# ----------------------------------------------------------------------------------------- shared by commands


def _open(source: str, columns: tuple[str, ...] = (), on_bad: OnBad = "stop", reading: Any = None) -> Any:
    """The data set of a source whose columns have these names."""
    import dataclasses

    from seesay.formats.media import USUAL
    from seesay.formats.open import open_data
    from seesay.formats.tables import parse_columns

    changes = {"columns": parse_columns(columns), "on_bad": on_bad}
    return open_data(source, dataclasses.replace(reading or USUAL, **changes))


def _say_skipped(out: Path, data: Any) -> int:
    """Writes and says which rows of the source were skipped. The exit status: 1 where any was."""
    from seesay.data.skipped import write_skipped

    if said := write_skipped(out, data.skipped):
        print(said)
    return 1 if data.skipped else 0


def _train(
    data: Any,
    source: str,
    out: Path,
    config: Config,
    recipe: str,
    threads: int,
    device: Device,
    resume: bool,
    overwrite: bool,
    quiet: bool = False,
) -> Any:
    """Trains a run, with a progress bar or a line an epoch, and returns it with the data as it sees them and
    its splits; one Ctrl-C ends it after the batch at hand and leaves a run that can be used."""
    import torch

    from seesay.learn.defaults import facts_of, said
    from seesay.learn.run import begin, train

    place = _device(device)
    _use(threads)
    run, data, splits = begin(data, source, config, recipe, out, overwrite, resume)
    torch.set_num_threads(run.threads)  # a resumed run goes on with as many as it began with
    if not quiet:
        say_notes(splits.notes)
        facts = facts_of(data, splits.train, splits.valid)
        known = [f"{out} is finished already"] if run.finished else said(run.config, facts)
        print(*known, sep="\n", file=sys.stderr)
    with watching(run.config, len(splits.train), len(data.modalities), quiet) as watch:
        for epoch in train(run, data, splits, watch, place):
            watch.say(epoch)
    if watch.stopped:
        usable = f"{out} can be used as it is" if run.epochs() else f"{out} is not a model yet"
        print(f"Stopped. {usable}; resume with --resume", file=sys.stderr)
        raise KeyboardInterrupt
    return run, data, splits


def _search(found: Any, threads: int, device: Device, quiet: bool) -> None:
    """Works at a search until no trial is left, with a progress bar or a line a trial. Ctrl-C loses no fold
    that is finished."""
    import optuna

    from seesay.search.search import search

    place = _device(device)
    _use(threads)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    total, folds = found.study.total, len(found.pairs)

    def done() -> int:
        return sum(trial.state != "running" for trial in found.study.trials())

    if (before := done()) and not quiet:
        print(f"{found.study.folder}: going on with {before} of {total} trials done", file=sys.stderr)
    with progress_bar(quiet) as progress:
        task = progress.add_task("searching", total=total * folds)
        try:
            for trial in search(found, place):
                best = (
                    ""
                    if found.best is None
                    else f", best {found.best.mean(condition=found.plan.condition):.4f}"
                )
                ended = sum(folds if t.state != "running" else len(t.folds) for t in found.study.trials())
                text = f"trial {trial.number + 1}/{total}"
                progress.update(task, description=text, completed=ended)
                if trial.state in ("done", "pruned"):
                    progress.tell(f"{text}{best}")
        except KeyboardInterrupt:
            print(f"Stopped with {done()} of {total} trials done. The same command goes on.", file=sys.stderr)
            raise
    if not any(trial.state == "done" for trial in found.study.trials()) and done():
        error = next((trial.error for trial in found.study.trials() if trial.error), "all were stopped early")
        raise ConfigError(f"none of the {done()} trials could be trained: {error}")


def _evaluate(folder: Path, data: Any, split: str | None, quiet: bool = False) -> Any:
    """Scores a run, keeps scores, figures and card in it, and says what makes the scores say less."""
    from seesay.learn.run import Run
    from seesay.measure.evaluate import evaluate, held_out, predictions_for
    from seesay.measure.model_card import keep
    from seesay.serve.predict import check_fits

    run = Run.open(folder)
    check_fits(run.spec, data)
    model, held = run.model(), held_out(run, data, split)
    said = predictions_for(run, model, data, held)
    evaluation = evaluate(model, data, held.rows, held.split, 0, held.apart, held.notes, said)
    keep(run, model, data, evaluation)
    if not quiet:
        say_notes(evaluation.notes)
    return evaluation


def _sides(runs: tuple[str, ...], data: str | None, split: str | None, condition: str | None) -> Any:
    """What each run or file says of the same rows, the data set, and which rows they are."""
    from seesay.condition import Condition
    from seesay.formats.open import open_data
    from seesay.learn.run import Run
    from seesay.measure.compare import Side, held_out_alike
    from seesay.measure.evaluate import predictions_for
    from seesay.measure.outside import SUFFIXES, read_side
    from seesay.serve.predict import check_fits

    if len(set(runs)) < 2 or len(set(runs)) < len(runs):
        raise InputError(f"expected two or more different runs to compare, got {', '.join(runs) or 'none'}")
    files = [name for name in runs if Path(name).suffix in SUFFIXES and not Path(name).is_dir()]
    opened = {name: Run.open(name) for name in runs if name not in files}
    if data is None and not opened:
        raise InputError("probabilities from files have no labels", "Say which data set with --data.")
    dataset = open_data(data or _trained_on(next(iter(opened.values()))))
    for run in opened.values():
        check_fits(run.spec, dataset)
    held = held_out_alike(opened, dataset, split)
    wanted = Condition(condition) if condition else Condition.of(dataset.modalities)
    ends = [Path(name).name for name in runs]
    sides = []
    for name, short in zip(runs, ends if len(set(ends)) == len(ends) else runs, strict=True):
        if name in files:
            sides.append(read_side(Path(name), dataset, held.rows, wanted, short))
            continue
        said = predictions_for(opened[name], opened[name].model(), dataset, held)
        if condition and condition not in said:
            raise InputError(f"{name} says nothing of {condition!r}", nearest(condition, list(said)))
        sides.append(Side(short, {c: p for c, p in said.items() if condition in (None, c)}))
    return sides, dataset, held


def _trained_on(run: Any) -> str:
    """The data set of the run. InputError where it has moved, or its path was a relative one from
    elsewhere."""
    from seesay.formats.open import NAMES

    if run.data not in NAMES and not Path(run.data).exists():
        raise InputError(
            f"{run.folder} was trained on {run.data}, which is not there", "Say where it is with --data."
        )
    return run.data


def _use(threads: int) -> None:
    import torch

    torch.set_num_threads(_at_least_one(threads))


def _at_least_one(threads: int) -> int:
    if threads < 1:
        raise ConfigError(f"threads must be 1 or more, got {threads}")
    return threads


def _device(name: Device) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("there is no CUDA device here", "Use --device cpu.")
    return name
