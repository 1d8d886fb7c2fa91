"""Commands that score models: `seesay evaluate`, `compare`, `embed`, `reproduce`, `demo`."""

import json
import sys
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from seesay.cli.arguments import Words, open_source, reading_for, training_data
from seesay.cli.learn import train_run
from seesay.cli.terminal import (
    print_comparison,
    print_embedding,
    print_json,
    print_scores,
    print_table,
    say_notes,
    tracking,
)
from seesay.errors import InputError, nearest
from seesay.tables import Format


def evaluate(
    run: Words[Path],
    data: str | None = None,
    split: Literal["train", "valid", "test"] | None = None,
    columns: tuple[str, ...] = (),
    review: bool = False,
    format: Format = "table",
    json: bool = False,
    quiet: bool = False,
) -> None:
    """Score a run on held-out rows, with confidence intervals, figures and a model card.

    They are saved in the run folder; scores on other data or another split are saved in `evaluations/` in it.

    Args:
        run: Run folder.
        data: Data set; default: the one that the run was trained on.
        split: Split to score; default: test, or valid if no test row has a label.
        columns: Which of your columns to read, as NAME=YOUR_COLUMN: image=photo label=class group=patient.
        review: Instead of scores, list the rows that are most likely mislabelled; default: in all splits.
        format: Format of the table.
        json: Print JSON.
        quiet: Print only the scores.
    """
    from seesay.learn.run import Run

    opened = Run.open(run)
    dataset = open_source(data or training_data(opened), columns, reading=reading_for(opened))
    if review:
        review_run(opened, dataset, split, format, json, quiet)
        return
    evaluation, folder = evaluate_run(run, dataset, split, quiet)
    if json:
        print_json(evaluation.metrics())
        return
    print_scores(evaluation, format)
    if not quiet and format == "table":
        print(f"Saved figures, metrics.json and a model card to {folder}/")


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
    """Test which of two or more models is better: every pair of models in every condition, on the same rows.

    Args:
        runs: Two or more run folders, or probabilities from other programs: .npy of (rows, classes), or
            .csv with a column per class.
        data: Data set; default: the one that the first run was trained on.
        split: Split to score; default: test, or valid if no test row has a label.
        condition: Condition to compare, as in image; default: all that both models of a pair have.
            Probabilities from files are taken to be for this condition; default: all modalities together.
        seed: Seed of the bootstrap.
        format: Format of the table.
        json: Print JSON.
        quiet: Print only the result.
    """
    from seesay.measure.compare import compare, lower, sentences

    sides, dataset, held = _sides(runs, data, split, condition)
    pairs, notes = compare(sides, dataset, held.rows, seed)
    all_notes = [*held.notes, *notes, *lower(pairs), INDEPENDENT]
    if json:
        result = {
            "data": dataset.name,
            "split": held.split,
            "notes": all_notes,
            "sentences": sentences(pairs),
        }
        print_json({**result, "pairs": [pair.to_dict() for pair in pairs]})
        return
    print_comparison(pairs, format, f"{len(held.rows):,} rows of {held.split} of {dataset.name}")
    if format == "table":
        print("\n".join(sentences(pairs)))
    if not quiet:
        say_notes(all_notes)


INDEPENDENT = (
    "p comes from a paired bootstrap over groups, except for accuracy: McNemar's exact test, which assumes "
    "independent rows. Its p is too small where speakers or recordings repeat."
)


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
    """Project a run's encodings to two dimensions, cluster them, and measure how well classes separate.

    Args:
        run: Run folder.
        out: Folder to create, for figures, embedding.json and encodings.npz.
        data: Data set; default: the one that the run was trained on.
        rows: Show at most this many distinct pictures, recordings and pairs, sampled at random.
        split: Split to show.
        method: Projection method; umap needs a separate installation.
        perplexity: Perplexity of t-SNE, roughly the number of neighbours.
        seed: Seed of sampling, projection and clustering.
        json: Print JSON.
        overwrite: Replace the folder, if seesay created it.
    """
    from seesay.data.dataset import SPLITS
    from seesay.data.splits import with_rows
    from seesay.files import check_new_folder
    from seesay.formats.open import open_data
    from seesay.learn.run import Run
    from seesay.measure.embed import embed, keep_embedding, numbers_of, views
    from seesay.measure.evaluate import rows_for
    from seesay.serve.predict import check_fits

    check_new_folder(out, overwrite, delete=False)  # fail before the work, not after it
    opened = Run.open(run)
    dataset = open_data(data or training_data(opened))
    check_fits(opened.spec, dataset)
    scored = {name: rows_for(opened, dataset, name) for name in SPLITS}
    scored = {name: rows[dataset.label[rows] >= 0] for name, rows in scored.items()}
    picked, train = scored[split], scored["train"]
    if not len(picked):
        raise InputError(f"{dataset.name} has no labelled {split} rows to show", with_rows(scored))
    shown = views(opened.model(), dataset, picked, train, rows, seed)
    with tracking() as track:
        embeddings = list(
            track(embed(shown, len(dataset.spec.classes), method, perplexity, seed), "projecting")
        )
    about = {"run": str(run), "data": data or opened.data, "split": split, "method": method, "seed": seed}
    if method == "tsne":
        about = about | {"perplexity": perplexity}
    keep_embedding(embeddings, dataset.spec.classes, out, about, overwrite)
    if json:
        print_json(numbers_of(embeddings))
        return
    print_embedding(numbers_of(embeddings))
    print(f"Saved figures, embedding.json and encodings.npz to {out}/")


def reproduce(
    data: str,
    out: Path,
    seeds: int = 1,
    search: bool = False,
    rows: int = 10_000,
    overwrite: bool = False,
    quiet: bool = False,
) -> None:
    """Reproduce the report: train its models on a random split and on a leak-free one, with figures.

    Args:
        data: Data set folder, anything that data import reads, digits (built in), or wsd (downloaded).
        out: Folder to create or resume, for report.md, report.json, figures and runs.
        seeds: Number of times each model is trained.
        search: Also search the report's grid by cross-validation.
        rows: Show at most this many distinct pictures, recordings and pairs in figures of encodings.
        overwrite: Replace the folder, if seesay created it.
        quiet: Print only the scores.
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
    print(f"Saved to {out}/report.md")


def demo(out: Path = Path("demo"), seed: int = 0) -> None:
    """Train on the built-in digits and evaluate on held-out voices and writers.

    Args:
        out: Run folder to create; an earlier demo is replaced.
        seed: Seed of the training.
    """
    import dataclasses

    from seesay.formats.open import open_data
    from seesay.recipes import recipe

    config, data = dataclasses.replace(recipe("demo"), seed=seed), open_data("digits")
    train_run(data, "digits", out, config, "demo", 1, "auto", False, True)
    print_scores(evaluate_run(out, data, "test")[0])
    print(f"Figures: {out}/figures  Model card: {out}/README.md")
    print(f"Next: seesay predict {quote(str(out))} --image PICTURE --audio RECORDING")


def evaluate_run(run: Path, data: Any, split: str | None, quiet: bool = False) -> tuple[Any, Path]:
    """The evaluation of the run in a folder, and the folder in which its scores, figures and model card were
    saved. Prints caveats."""
    from seesay.learn.run import Run
    from seesay.measure.evaluate import evaluate, held_out, predictions_for
    from seesay.measure.model_card import folder_of, keep
    from seesay.serve.predict import check_fits

    opened = Run.open(run)
    check_fits(opened.spec, data)
    model, held = opened.model(), held_out(opened, data, split)
    predictions = predictions_for(opened, model, data, held)
    evaluation = evaluate(model, data, held.rows, held.split, 0, held.apart, held.notes, predictions)
    folder = folder_of(opened, data.name, held.split, held.usual)
    keep(opened, model, data, evaluation, folder)
    if not quiet:
        say_notes(evaluation.notes)
    return evaluation, folder


def review_run(run: Any, data: Any, split: str | None, format: Format, json: bool, quiet: bool) -> None:
    """Prints the rows that are most likely mislabelled, and saves them all and a figure in the run folder."""
    from dataclasses import asdict

    from seesay.measure.review import SHOWN, keep_review, review, table_of
    from seesay.serve.predict import check_fits

    check_fits(run.spec, data)
    model = run.model()
    found = review(run, model, data, split)
    keep_review(run, model, data, found)
    if not quiet:
        say_notes(found.notes)
    if json:
        print_json({"rows": found.rows, "suspects": [asdict(s) for s in found.suspects]})
        return
    listed = found.suspects[:SHOWN] if format == "table" else found.suspects
    title = f"{len(listed):,} of {len(found.suspects):,} rows that may be mislabelled, of {found.rows:,}"
    print_table(table_of(listed), format, title)
    if not quiet and format == "table":
        print(f"Saved {run.folder}/review.csv and {run.folder}/figures/review.png")


def _sides(runs: tuple[str, ...], data: str | None, split: str | None, condition: str | None) -> Any:
    """The predictions of each run or file on the same rows, the data set, and those rows."""
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
    dataset = open_data(data or training_data(next(iter(opened.values()))))
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
        predictions = predictions_for(opened[name], opened[name].model(), dataset, held)
        if condition and condition not in predictions:
            raise InputError(
                f"{name} has no predictions for {condition!r}", nearest(condition, list(predictions))
            )
        sides.append(Side(short, {c: p for c, p in predictions.items() if condition in (None, c)}))
    return sides, dataset, held
