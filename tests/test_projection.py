import itertools
import sys

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from seesay.errors import ConfigError, InputError
from seesay.measure import projection
from seesay.measure.projection import cluster, probe, project

PICTURES, LABEL = load_digits(return_X_y=True)
PICTURES = PICTURES.astype(np.float32) / 16


def blobs(rows: int, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points far apart by class; the classes come in no order."""
    generator = np.random.default_rng(seed)
    label = generator.permutation(np.arange(rows) % classes)
    centres = 100 * generator.permutation(np.eye(classes))
    return centres[label] + generator.normal(size=(rows, classes)), label


@pytest.fixture(scope="module")
def digits() -> projection.Projection:
    return project(PICTURES[:700], seed=1)


def test_classes_stay_together_in_the_picture(digits):
    assert digits.points.shape == (700, 2)
    score = cross_val_score(KNeighborsClassifier(5), digits.points, LABEL[:700], cv=5).mean()
    assert score > 0.94


def test_the_same_seed_gives_the_same_picture():
    first, again, other = (project(PICTURES[:300], seed=seed).points for seed in (3, 3, 4))
    assert (first == again).all()
    assert (first != other).any()


def test_rows_placed_again_land_where_they_were(digits):
    moved = np.linalg.norm(digits.place(PICTURES[:300]) - digits.points[:300], axis=1)
    extent = np.ptp(digits.points, axis=0).max()
    assert np.median(moved) < 0.02 * extent
    assert np.quantile(moved, 0.9) < 0.1 * extent


def test_new_rows_land_among_their_class():
    half = project(PICTURES[:700])
    classifier = KNeighborsClassifier(5).fit(half.points, LABEL[:700])
    assert classifier.score(half.place(PICTURES[900:1_500]), LABEL[900:1_500]) > 0.9


@pytest.mark.long
def test_many_rows_take_another_way_to_the_same_end(monkeypatch):
    monkeypatch.setattr(projection, "FEW", 0)
    monkeypatch.setattr(projection, "EXACT", 0)
    made = project(PICTURES[:250])
    assert cross_val_score(KNeighborsClassifier(5), made.points, LABEL[:250], cv=5).mean() > 0.85
    moved = np.linalg.norm(made.place(PICTURES[:100]) - made.points[:100], axis=1)
    assert np.median(moved) < 0.02 * np.ptp(made.points, axis=0).max()


def test_placing_leaves_the_points_where_they_are(digits):
    before = digits.points.copy()
    digits.place(PICTURES[:10])
    assert (digits.points == before).all()


def test_wide_encodings_are_narrowed_and_new_ones_in_the_same_way():
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(100, 64)))[0]
    wide = (PICTURES[:400] @ turned.T).astype(np.float32)
    made = project(wide)
    moved = np.linalg.norm(made.place(wide) - made.points, axis=1)
    assert np.median(moved) < 0.02 * np.ptp(made.points, axis=0).max()


def test_rows_that_repeat_do_no_harm():
    made = project(np.repeat(PICTURES[:12], 10, axis=0), perplexity=10.0)
    assert np.isfinite(made.points).all()


def test_principal_components_are_those_of_scikit_learn_and_place_new_rows_exactly():
    made = project(PICTURES, method="pca")
    centred = PICTURES - PICTURES.mean(axis=0)
    axes = np.linalg.svd(centred.astype(np.float64), full_matrices=False)[2][:2]
    assert np.abs(made.points) == pytest.approx(np.abs(centred @ axes.T), abs=1e-3)
    assert made.place(PICTURES[:7]) == pytest.approx(made.points[:7], abs=1e-5)


def test_umap_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ConfigError, match="pip install umap-learn"):
        project(PICTURES[:50], method="umap")


@pytest.mark.filterwarnings("ignore")
def test_umap_keeps_classes_together_where_it_is_installed():
    pytest.importorskip("umap", reason="umap-learn is not installed")
    made = project(PICTURES[:600], method="umap")
    assert cross_val_score(KNeighborsClassifier(5), made.points, LABEL[:600], cv=3).mean() > 0.8
    assert made.place(PICTURES[600:610]).shape == (10, 2)


def test_fewer_rows_than_the_perplexity_needs_are_refused_with_what_would_do():
    with pytest.raises(InputError, match=r"perplexity 30 needs at least 91 rows, got 90.*at most 29.67"):
        project(PICTURES[:90])
    assert project(PICTURES[:91]).points.shape == (91, 2)
    assert project(PICTURES[:16], perplexity=5.0).points.shape == (16, 2)


@pytest.mark.parametrize(("method", "rows"), [("tsne", 1), ("umap", 15), ("pca", 1)])
def test_a_handful_of_rows_is_refused(method, rows):
    with pytest.raises(InputError, match="Use more rows"):
        project(PICTURES[:rows], method=method)


def test_a_single_column_is_refused():
    with pytest.raises(InputError, match="at least 2 columns, got 1"):
        project(PICTURES[:, :1])


def test_clusters_that_lie_apart_are_found_and_matched_to_their_labels():
    points, label = blobs(200)
    found = cluster(points, label, 5)
    assert (found.assignment == label).all()
    assert (found.adjusted_rand, found.nmi, found.purity, found.matched_accuracy) == pytest.approx((1,) * 4)
    assert found.silhouette > 0.9


def test_numbers_of_a_clustering_are_those_of_scikit_learn():
    found = cluster(PICTURES, LABEL, 10)
    assert found.adjusted_rand == pytest.approx(metrics.adjusted_rand_score(LABEL, found.assignment))
    assert found.nmi == pytest.approx(metrics.normalized_mutual_info_score(LABEL, found.assignment))
    assert found.silhouette == pytest.approx(metrics.silhouette_score(PICTURES, found.assignment))
    assert found.matched_accuracy == pytest.approx((found.assignment == LABEL).mean())
    table = metrics.cluster.contingency_matrix(LABEL, found.assignment)
    assert found.purity == pytest.approx(table.max(axis=0).sum() / len(LABEL))
    assert found.matched_accuracy <= found.purity


def test_no_other_naming_of_the_clusters_would_agree_better():
    found = cluster(PICTURES, LABEL, 10)
    generator = np.random.default_rng(0)
    others = [(generator.permutation(10)[found.assignment] == LABEL).mean() for _ in range(200)]
    assert found.matched_accuracy > max(others)
    for a, b in itertools.combinations(range(10), 2):
        swap = np.arange(10)
        swap[[a, b]] = b, a
        assert (swap[found.assignment] == LABEL).mean() <= found.matched_accuracy


def test_silhouette_of_many_rows_is_that_of_a_sample(monkeypatch):
    exact = cluster(PICTURES, LABEL, 10)
    monkeypatch.setattr(projection, "SILHOUETTE_ROWS", 600)
    sampled = cluster(PICTURES, LABEL, 10)
    assert sampled.silhouette != exact.silhouette
    assert sampled.silhouette == pytest.approx(exact.silhouette, abs=0.03)
    assert sampled.silhouette == cluster(PICTURES, LABEL, 10).silhouette


def test_no_more_rows_than_clusters_are_refused():
    with pytest.raises(InputError, match="10 clusters need more than 10 rows, got 10"):
        cluster(PICTURES[:10], LABEL[:10], 10)


def test_probes_read_what_is_there_and_find_nothing_in_noise():
    points, label = blobs(400)
    scores = probe(points[:300], label[:300], points[300:], label[300:])
    assert scores == {"knn_accuracy": 1, "linear_accuracy": 1}
    noise = np.random.default_rng(0).normal(size=points.shape)
    assert max(probe(noise[:300], label[:300], noise[300:], label[300:]).values()) < 0.35


def test_the_linear_probe_does_not_depend_on_the_scale_of_a_column():
    scaled = PICTURES * np.float32(10) ** np.linspace(-3, 3, 64).astype(np.float32)
    plain, other = (probe(x[:900], LABEL[:900], x[900:], LABEL[900:]) for x in (PICTURES, scaled))
    assert other["linear_accuracy"] == pytest.approx(plain["linear_accuracy"], abs=0.005)
    assert plain["linear_accuracy"] > 0.85
