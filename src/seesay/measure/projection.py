"""Projection of encodings to two dimensions, k-means clustering, and probes: nearest neighbours and a linear
model.

Everything is seeded. Pass each distinct content once: repeats add nothing and distort t-SNE.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Integer
from openTSNE import TSNE
from scipy.optimize import linear_sum_assignment
from sklearn import metrics
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seesay.errors import ConfigError, InputError
from seesay.metrics.scores import confusion

Method = Literal["tsne", "pca", "umap"]
Encodings = Float[np.ndarray, "n d"]
Points = Float[np.ndarray, "n 2"]
Label = Integer[np.ndarray, "n"]

COLUMNS = 64
"""Principal components that wider encodings are reduced to first, for faster and less noisy neighbours (van
der Maaten and Hinton 2008, section 4.2, use 30)."""

EXACT = 20_000
"""Rows up to which exact neighbours are faster than approximate ones: 0.8 s against 3.9 s for 10,000 x 64."""

FEW = 3_000
"""Rows up to which Barnes-Hut is faster than the FFT grid: 1,797 digits take 4 s against 7 s."""

GRID = 2
"""Cell width of the grid on which t-SNE's forces are computed, in units of the projection. openTSNE's default
1 takes 31 s where 2 takes 11 s (10,000 x 64, MNIST), and keeps 45.4 % of the ten nearest neighbours instead
of 44.6 %; k-NN accuracy in the projection is 0.949 and 0.948."""

SILHOUETTE_ROWS = 5_000
"""Rows sampled for the silhouette, whose cost grows with their square."""

NEIGHBOURS = 5
"""k of the k-NN probe."""


@dataclass(frozen=True)
class Projection:
    """Points in two dimensions, and the function that projects new ones."""

    points: Points
    """One for each encoding that was projected."""
    place: Callable[[Float[np.ndarray, "m d"]], Float[np.ndarray, "m 2"]]
    """Project new encodings among the points, which do not move."""
    method: Method


def project(
    encodings: Encodings, method: Method = "tsne", seed: int = 0, perplexity: float = 30.0, threads: int = 1
) -> Projection:
    """The encodings projected to two dimensions: t-SNE (openTSNE; Poličar et al. 2024), PCA, or UMAP if it is
    installed.

    `perplexity`, for t-SNE only, is roughly the number of neighbours that attract a row. Fewer rows or
    columns than the method needs: InputError; UMAP is not installed: ConfigError. Deterministic given the
    seed and one thread.
    """
    _check(encodings, method, perplexity)
    if method == "pca":
        return _projection(PCA(2, random_state=seed).fit(encodings), encodings, method)
    if method == "umap":
        return _projection(_umap()(random_state=seed, n_jobs=1).fit(encodings), encodings, method)
    return _tsne(encodings, seed, perplexity, threads)


def _check(encodings: np.ndarray, method: str, perplexity: float) -> None:
    rows, columns = encodings.shape
    needed = {"tsne": int(np.ceil(3 * perplexity)) + 1, "umap": 16, "pca": 2}[method]
    if rows < needed:
        name = f"t-SNE with perplexity {perplexity:g}" if method == "tsne" else method.upper()
        remedy = f"Use more rows, or a perplexity of at most {(rows - 1) / 3:.4g}."
        raise InputError(
            f"{name} needs at least {needed} rows, got {rows}",
            remedy if method == "tsne" and rows > 6 else "Use more rows.",
        )
    if columns < 2:
        raise InputError(f"a projection needs encodings of at least 2 columns, got {columns}")


def _projection(fitted: Any, encodings: np.ndarray, method: Method) -> Projection:
    def place(new: np.ndarray) -> np.ndarray:
        return fitted.transform(new).astype(np.float64)

    points = fitted.embedding_.astype(np.float64) if method == "umap" else place(encodings)
    return Projection(points, place, method)


def _umap() -> Any:
    try:
        return import_module("umap").UMAP
    except ImportError:
        remedy = "Run `pip install umap-learn`, or choose tsne or pca."
        raise ConfigError("UMAP is not installed", remedy) from None


def _tsne(encodings: np.ndarray, seed: int, perplexity: float, threads: int) -> Projection:
    reduce = _reducer(encodings, seed)
    reduced = reduce(encodings)
    embedding = TSNE(
        perplexity=perplexity,
        initialization="pca",
        neighbors="exact" if len(reduced) <= EXACT else "annoy",
        negative_gradient_method="bh" if len(reduced) <= FEW else "fft",
        ints_in_interval=GRID,
        n_jobs=threads,
        random_state=seed,
    ).fit(reduced)
    # openTSNE's transform would centre the points in place; they already are, so it does not move them.
    embedding -= (embedding.max(axis=0) + embedding.min(axis=0)) / 2

    def place(new: np.ndarray) -> np.ndarray:
        return np.array(embedding.transform(reduce(new), k=min(25, len(reduced) - 1)))

    return Projection(np.array(embedding), place, "tsne")


def _reducer(encodings: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function that reduces encodings to at most `COLUMNS` columns."""
    if encodings.shape[1] <= COLUMNS or len(encodings) <= COLUMNS:
        return lambda rows: rows
    return PCA(COLUMNS, svd_solver="randomized", random_state=seed).fit(encodings).transform


@dataclass(frozen=True)
class Clustering:
    """k-means clusters, computed without the labels, and their agreement with the labels."""

    assignment: Label
    """The class matched to each row's cluster, one to one (Hungarian method)."""
    matched_accuracy: float
    """The fraction of rows whose cluster is matched to their class."""
    adjusted_rand: float
    """Adjusted Rand index: 1 is full agreement, 0 is chance (Hubert and Arabie 1985)."""
    nmi: float
    """Mutual information normalised by the arithmetic mean of the entropies, 0 to 1."""
    purity: float
    """The fraction of rows whose class is the most frequent one in their cluster."""
    silhouette: float
    """How much closer rows are to their own cluster than to the next, -1 to 1 (Rousseeuw 1987)."""


def cluster(points: Encodings, label: Label, classes: int, seed: int = 0) -> Clustering:
    """k-means of points or encodings with one cluster per class. No more rows than classes: InputError."""
    if len(points) <= classes:
        raise InputError(
            f"{classes} clusters need more than {classes} rows, got {len(points)}", "Use more rows."
        )
    clusters = KMeans(classes, n_init=10, random_state=seed).fit_predict(points)
    counts = confusion(clusters, label, classes).T  # (clusters, classes)
    ids, matched = linear_sum_assignment(counts, maximize=True)
    return Clustering(
        assignment=matched[clusters],
        matched_accuracy=float(counts[ids, matched].sum() / len(label)),
        adjusted_rand=float(metrics.adjusted_rand_score(label, clusters)),
        nmi=float(metrics.normalized_mutual_info_score(label, clusters)),
        purity=float(counts.max(axis=1).sum() / len(label)),
        silhouette=_silhouette(points, clusters, seed),
    )


def _silhouette(points: np.ndarray, clusters: np.ndarray, seed: int) -> float:
    rows = np.random.default_rng(seed).permutation(len(points))[:SILHOUETTE_ROWS]
    return float(metrics.silhouette_score(points[rows], clusters[rows]))


def probe(
    encodings_train: Encodings,
    label_train: Label,
    encodings_test: Float[np.ndarray, "m d"],
    label_test: Integer[np.ndarray, "m"],
) -> dict[str, float]:
    """`knn_accuracy` and `linear_accuracy`: test accuracy of simple classifiers trained on the encodings.

    Five nearest neighbours, and multinomial logistic regression on standardised columns.
    """
    neighbours = KNeighborsClassifier(NEIGHBOURS)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return {
        f"{name}_accuracy": float(model.fit(encodings_train, label_train).score(encodings_test, label_test))
        for name, model in {"knn": neighbours, "linear": linear}.items()
    }
