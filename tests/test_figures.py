"""What a figure says is read from its texts and colours; how it looks was judged by eye."""

import io
from itertools import combinations
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from PIL import Image

from seesay.config import FeaturesConfig
from seesay.errors import OutputError
from seesay.figures import confusion, curves, mistakes, reconstructions, scatter, scores, style
from seesay.metrics.reliability import reliability
from seesay.signal.feature_axes import feature_axes
from seesay.spec import WaveformSpec

NAN = float("nan")


def texts(figure: Figure) -> list[str]:
    """All that is written on a figure."""
    found = [text.get_text() for text in figure.findobj(Text)]
    return [text for text in found if text]


def drawn(figure: Figure) -> np.ndarray:
    """The pixels; drawing must not warn."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=40)
    return np.asarray(Image.open(buffer).convert("RGB"))


def epochs(n: int, **scores: float) -> list[dict]:
    return [
        {"number": i, "loss": 2.0 / i, "scores": {c: s - 0.1 / i for c, s in scores.items()}, "seconds": 2.0}
        for i in range(1, n + 1)
    ]


def mistake(probability: float = 0.9, **changes: Any) -> mistakes.Mistake:
    values: dict[str, Any] = {
        "row": 12,
        "picture": np.zeros((1, 28, 28), np.uint8),
        "features": np.random.default_rng(0).normal(size=(39, 13)).astype(np.float32),
        "label": "4",
        "prediction": "9",
        "probability": probability,
        "condition": "image+audio",
    }
    return mistakes.Mistake(**(values | changes))


def blobs(classes: int, rows: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    generator = np.random.default_rng(0)
    label = np.arange(rows) % classes
    points = 20 * generator.normal(size=(classes, 2))[label] + generator.normal(size=(rows, 2))
    return points, label, [f"word{i}" for i in range(classes)]


FIGURES = {
    "learning curves": lambda: curves.learning_curves(epochs(5, image=0.99, audio=0.9)),
    "one epoch": lambda: curves.learning_curves(epochs(1, image=1.0)),
    "no scores": lambda: curves.learning_curves(epochs(3)),
    "scores": lambda: scores.score_intervals({"small": {"image": (0.99, 0.98, 0.995)}}, "open-wsd"),
    "confusion": lambda: confusion.confusion_matrix(np.array([[5, 1], [0, 7]]), ["yes", "no"], "image"),
    "reliability": lambda: curves.reliability({"image": reliability(np.array([[0.9, 0.1]]), np.array([0]))}),
    "mistakes": lambda: mistakes.mistakes_figure([mistake(), mistake(picture=None), mistake(features=None)]),
    "colour picture": lambda: mistakes.mistakes_figure([mistake(picture=np.ones((3, 9, 7), np.float32))]),
    "table of mistakes": lambda: mistakes.mistakes_figure([vectors()]),
    "no mistakes": lambda: mistakes.mistakes_figure([]),
    "pictures": lambda: reconstructions.reconstructions(np.zeros((3, 1, 8, 8)), np.ones((3, 1, 8, 8))),
    "recordings": lambda: reconstructions.reconstructions(np.zeros((1, 39, 13)), np.ones((1, 39, 13))),
    "scatter": lambda: scatter.scatter(*blobs(10, 200), title="t-SNE"),
    "forty classes": lambda: scatter.scatter(*blobs(40, 200), title="t-SNE"),
    "pair": lambda: scatter.scatter_pair(*blobs(3, 60)[:2], blobs(3, 60)[1], ["a", "b", "c"], "t-SNE"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_something_and_leaves_the_settings_of_the_process_alone(name):
    before = dict(mpl.rcParams)
    pixels = drawn(FIGURES[name]())
    assert pixels.min() < 100
    assert (pixels[0, 0] == 255).all()
    assert dict(mpl.rcParams) == before


def test_a_figure_is_saved_whole_at_150_dots_an_inch(tmp_path):
    style.save(FIGURES["scatter"](), tmp_path / "figures" / "scatter.png")
    with Image.open(tmp_path / "figures" / "scatter.png") as image:
        assert image.format == "PNG"
        assert image.size == (1260, 1050)
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["scatter.png"]


def test_a_figure_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "figure.png"
    target.write_bytes(b"old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OutputError, match="No space left"):
        style.save(Figure(), target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_learning_curves_name_each_condition_with_its_last_score_and_all_the_seconds():
    said = texts(curves.learning_curves(epochs(10, image=0.99, audio=0.9)))
    assert "image 0.980" in said
    assert "audio 0.890" in said
    assert "epoch (10 in 20 s)" in said


def test_learning_curves_give_as_much_room_to_each_nine():
    figure = curves.learning_curves([
        {"number": i, "loss": 1.0, "scores": {"image": score}, "seconds": 1.0}
        for i, score in enumerate([0.9, 0.99, 0.999, 1.0])
    ])  # fmt: skip
    heights = figure.axes[1].lines[0].get_ydata()
    assert np.diff(heights) == pytest.approx([1, 1, 1.3])


@pytest.mark.parametrize(
    "scores", [(1.0, 1.0, 1.0), (0.1, 0.11, 0.09), (0.3, 0.99, 1.0), (0.9999, 0.99, 0.5)]
)
def test_ticks_and_names_say_what_the_scores_are(scores):
    """1 is not written 0.9999, nor 0.9999 as 1; names stay within the axes, near the ends of their lines."""
    named = dict(zip(("image", "audio", "image+audio"), scores, strict=True))
    history = [{"number": i, "loss": 1.0, "scores": named, "seconds": 1.0} for i in (1, 2)]
    axes = curves.learning_curves(history).axes[1]
    ticks = dict(zip([label.get_text() for label in axes.get_yticklabels()], axes.get_yticks(), strict=True))
    assert len(ticks) >= 2
    for name, height in ticks.items():
        assert height == pytest.approx(curves.TOP if name == "1" else -np.log10(1 - float(name)))
    ends = [text for text in axes.texts if isinstance(text, Annotation)]
    assert all(-1e-9 < end.xy[1] < 1 + 1e-9 for end in ends)
    low, high = axes.get_ylim()
    last = sorted((np.asarray(line.get_ydata())[-1] - low) / (high - low) for line in axes.lines)
    assert np.abs(np.array(sorted(end.xy[1] for end in ends)) - last).max() < 0.15
    told = {text.get_text().split()[0]: text.get_text().split()[1] for text in ends}
    assert all((told[c] == "1.000") == (score == 1) for c, score in named.items())


def test_names_at_the_ends_of_lines_do_not_overlap():
    figure = curves.learning_curves(epochs(4, image=0.98, audio=0.9799, **{"image+audio": 0.9801}))
    names = [text for text in figure.axes[1].texts if isinstance(text, Annotation)]
    heights = sorted(name.xy[1] for name in names)
    assert min(np.diff(heights)) > 0.05


def test_scores_are_written_with_their_intervals_where_these_are_known():
    series = {"the report": {"audio": (0.834, NAN, NAN)}, "ours": {"audio": (0.95, 0.94, 0.96)}}
    said = texts(scores.score_intervals(series, "title"))
    assert "0.8340" in said
    assert "0.9500  [0.9400, 0.9600]" in said
    assert {"the report", "ours"} <= set(said)


def test_confusion_counts_the_errors_and_shades_only_them():
    figure = confusion.confusion_matrix(np.array([[50, 3], [0, 47]]), ["no", "yes"], "audio")
    said = texts(figure)
    assert "audio: 3 of 100 wrong" in said
    assert "94.3 %" in said
    assert "0" not in said
    shades = np.ma.filled(np.ma.asarray(figure.axes[0].images[0].get_array()), NAN)
    assert np.isnan(np.diag(shades)).all()
    assert shades[0, 1] > 0.7 > shades[1, 0] == 0


@pytest.mark.parametrize("classes", [2, 4, 10, 40])
@pytest.mark.parametrize("name", ["{}", "a rather long class name {}"])
def test_all_of_a_confusion_is_on_its_page(classes, name):
    """However few classes there are, and however long their names: cells of a size, nothing cut."""
    names = [name.format(i) for i in range(classes)]
    figure = confusion.confusion_matrix(np.eye(classes, dtype=int) * 40, names, "image+audio")
    figure.draw_without_rendering()
    page, (axes,) = figure.bbox, figure.axes
    for text in figure.findobj(Text):
        box = text.get_window_extent()
        if text.get_text() and text.get_visible():
            assert page.x0 - 1 <= box.x0 <= box.x1 <= page.x1 + 1, text.get_text()
            assert page.y0 - 1 <= box.y0, text.get_text()
    cell = axes.get_window_extent().width / classes / figure.dpi
    assert cell > 0.8 * min(0.52, 11 / classes)


def test_confusion_of_a_class_without_rows_has_no_recall():
    said = texts(confusion.confusion_matrix(np.array([[5, 1], [0, 0]]), ["a", "b"], "image"))
    assert [text for text in said if text.endswith("%")] == ["83.3 %"]


def test_the_surest_mistakes_come_first_and_all_are_counted():
    figure = mistakes.mistakes_figure([mistake(p) for p in (0.5, 0.99, 0.7)], total=28)
    said = texts(figure)
    assert "image+audio: 3 of 28 mistakes, most confident first" in said
    assert [text for text in said if text.endswith(" confident")] == [
        f"{p} % confident" for p in ("99.0", "70.0", "50.0")
    ]
    assert "predicted as 9" in said
    assert "image+audio: 1 mistake" in texts(mistakes.mistakes_figure([mistake()]))
    assert "over 99.9 % confident" in texts(mistakes.mistakes_figure([mistake(0.99999)]))


def test_a_modality_that_is_missing_is_said_to_be():
    said = texts(mistakes.mistakes_figure([mistake(picture=None), mistake(features=None)]))
    assert (said.count("no picture"), said.count("no recording")) == (1, 1)


def test_a_modality_that_nobody_used_takes_no_room():
    both = mistakes.mistakes_figure([mistake()] * 4)
    alone = mistakes.mistakes_figure([mistake(picture=None)] * 4)
    assert (len(both.axes), len(alone.axes)) == (8, 4)
    assert "no picture" not in texts(alone)


def vectors(**changes: Any) -> mistakes.Mistake:
    """A mistake with nothing to draw."""
    opinions = {"clip": ("9", 0.8), "clap": ("4", 0.6), "touch": None}
    return mistake(picture=None, features=None, condition="clip+clap+touch", opinions=opinions, **changes)


def test_mistakes_without_anything_to_draw_are_a_table():
    """Each row with its label, prediction and probability, and what each modality predicts on its own."""
    figure = mistakes.mistakes_figure([vectors(), vectors(row=1234, probability=0.99)], total=30)
    written = texts(figure)
    assert written[0] == "clip+clap+touch: 2 of 30 mistakes, most confident first"
    assert not figure.axes, "no empty cells"
    head = ["row", "label", "predicted", "probability", "clip alone", "clap alone", "touch alone"]
    opinions = ["9  80.0 %", "4  60.0 %", "missing"]
    first, second = ["1,234", "4", "9", "99.0 %", *opinions], ["12", "4", "9", "90.0 %", *opinions]
    assert written[1:] == [*head, *first, *second]
    colour = {text.get_text(): text.get_color() for text in figure.texts}
    assert (colour["9  80.0 %"], colour["4  60.0 %"]) == (style.ORANGE, style.INK), "wrong and right"


def test_a_table_of_one_modality_has_no_column_for_it():
    alone = mistake(picture=None, features=None, condition="clip")
    assert "clip alone" not in texts(mistakes.mistakes_figure([alone]))


@pytest.mark.parametrize("name", ["4", "a class whose name is long beyond all measure"])
def test_all_of_a_table_is_on_its_page(name: str):
    opinions = {f"modality-{i}": (name, 0.99999) for i in range(3)}
    row = mistake(picture=None, features=None, label=name, prediction=name, opinions=opinions)
    figure = mistakes.mistakes_figure([row] * 24)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_features_have_axes_in_units():
    axes = feature_axes(FeaturesConfig(), WaveformSpec(seconds=1.5))
    for figure in (
        mistakes.mistakes_figure([mistake()], axes=axes),
        reconstructions.reconstructions(np.zeros((2, 39, 13)), np.ones((2, 39, 13)), axes=axes),
    ):
        assert {"0", "1.5 s", "1", "6", "energy"} <= set(texts(figure))


def test_long_names_do_not_run_into_each_other():
    name = "a class whose name is long beyond all measure"
    figure = mistakes.mistakes_figure([mistake(label=name, prediction=name, features=None)] * 6)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.texts[1:]]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


@pytest.mark.parametrize("spread", [0, 20])
@pytest.mark.parametrize("classes", [4, 40])
def test_names_of_classes_lie_in_the_axes_and_not_on_each_other(classes, spread):
    points, label, _ = blobs(classes, 400)
    names = [f"a rather long class name {i}" for i in range(classes)]
    figure = scatter.scatter(points if spread else points % 1, label, names, "t-SNE")
    figure.draw_without_rendering()
    [axes] = figure.axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert 1 <= len(boxes) <= classes
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    room = axes.get_window_extent()
    assert all(room.x0 - 1 <= box.x0 and box.x1 <= room.x1 + 1 for box in boxes)
    assert room.width / figure.dpi > 6, "the legend has not taken it"


@pytest.mark.parametrize("picture", [np.full((1, 4, 4), 128, np.uint8), np.full((1, 4, 4), 0.5, np.float32)])
def test_pictures_keep_their_greys(picture):
    image = mistakes.mistakes_figure([mistake(picture=picture)]).axes[0].images[0]
    assert to_rgb(to_hex(image.to_rgba(picture[0])[0, 0])) == pytest.approx((0.5,) * 3, abs=0.01)


def test_a_reconstruction_is_drawn_in_the_colours_of_its_input():
    inputs = np.random.default_rng(0).normal(size=(2, 39, 13))
    figure = reconstructions.reconstructions(inputs, 0.1 * inputs)
    above, below = figure.axes[0].images[0], figure.axes[2].images[0]
    assert above.get_clim() == below.get_clim()
    assert f"{0.81 * (inputs[0] ** 2).mean():.4f}" in texts(figure)


def test_ten_classes_have_ten_colours_and_forty_have_forty_looks():
    assert len({to_hex(colour) for colour in style.COLOURS}) == 10
    assert (
        min(np.linalg.norm(np.subtract(to_rgb(a), to_rgb(b))) for a, b in combinations(style.COLOURS, 2))
        > 0.2
    )
    (legend,) = scatter.scatter(*blobs(40, 80), title="").legends
    handles = [handle for handle in legend.legend_handles if isinstance(handle, Line2D)]
    looks = {(to_hex(handle.get_color()), handle.get_marker()) for handle in handles}
    assert len(looks) == 40
    assert [text.get_text() for text in legend.get_texts()] == blobs(40, 80)[2]


def test_points_wear_the_colour_of_their_class():
    points, label, classes = blobs(3, 30)
    (dots,) = scatter.scatter(points, label, classes, "").axes[0].collections
    places, colours = np.asarray(dots.get_offsets()), np.asarray(dots.get_facecolor())
    assert len(places) == 30
    for place, colour in zip(places, colours, strict=True):
        row = np.abs(points - place).sum(axis=1).argmin()
        assert to_hex(colour.tolist()) == style.COLOURS[label[row]]


def test_rows_in_the_wrong_cluster_are_counted_and_ringed():
    points, label, classes = blobs(3, 30)
    assignment = label.copy()
    assignment[:6] = (label[:6] + 1) % 3
    figure = scatter.scatter_pair(points, label, assignment, classes, "t-SNE")
    assert any("20.0 % in the cluster of another class" in text for text in texts(figure))
    ringed = figure.axes[1].collections[-1]
    assert np.asarray(ringed.get_offsets()) == pytest.approx(points[:6])
    assert to_hex(np.asarray(ringed.get_edgecolor())[0].tolist()) == style.INK


def test_titles_of_a_pair_do_not_run_into_each_other():
    points, label, classes = blobs(3, 30)
    title = "image+audio+touch+lips+depth encodings: t-SNE of 10,000 distinct rows"
    figure = scatter.scatter_pair(points, label, label, classes, title)
    figure.draw_without_rendering()
    titles = [text for text in figure.findobj(Text) if text.get_text().startswith(("image+", "By "))]
    boxes = [text.get_window_extent() for text in titles]
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_rows_in_the_wrong_cluster_have_its_marker():
    """Classes 3 and 13 have one colour, so their marker tells them apart."""
    points, label, classes = blobs(20, 80)
    figure = scatter.scatter_pair(points, label, np.roll(label, 7), classes, "")
    circled = figure.axes[1].collections[2:]
    assert len(circled) == 2, "one for each marker"
    assert [len(np.asarray(dots.get_offsets())) for dots in circled] == [40, 40]
