"""Encodings as a picture in two dimensions, and as numbers: what k-means, neighbours and a linear model find
in them.

Everything is seeded and runs on as many threads as asked. Rows that repeat a content tell nothing new: hand
over each content once.
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
"""Wider encodings are cut to this many principal components first: neighbours are found sooner and with less
noise (van der Maaten and Hinton 2008, section 4.2, do so with 30)."""

EXACT = 20_000
"""Rows up to which exact neighbours are found sooner than approximate ones: 0.8 s against 3.9 s for
10,000 x 64."""

FEW = 3_000
"""Rows up to which a tree (Barnes-Hut) is quicker than the grid: 1,797 digits take 4 s against 7 s."""

GRID = 2
"""Width of a cell of the grid on which t-SNE's forces are found, in units of the picture. openTSNE's 1 took
31 s where 2 takes 11 s (10,000 x 64, MNIST), and kept 45.4 % of the ten nearest neighbours instead of 44.6 %;
k-NN accuracy in the picture was 0.949 and 0.948."""

SILHOUETTE_ROWS = 5_000
"""More rows than this are sampled for the silhouette, whose cost grows with their square."""

NEIGHBOURS = 5
"""Of the k-NN probe."""


@dataclass(frozen=True)
class Projection:
    """Points in the plane, and the way for others to get there."""

    points: Points
    """One for each encoding that it was made of."""
    place: Callable[[Float[np.ndarray, "m d"]], Float[np.ndarray, "m 2"]]
    """Where new encodings belong among the points, which stay where they are."""
    method: Method


def project(
    encodings: Encodings, method: Method = "tsne", seed: int = 0, perplexity: float = 30.0, threads: int = 1
) -> Projection:
    """The encodings as points in the plane: t-SNE (openTSNE; Poličar et al. 2024), PCA, or UMAP if it is
    installed.

    `perplexity`, of t-SNE alone, is about how many neighbours a row attends to. Fewer rows or columns than
    the method needs: InputError; UMAP is not installed: ConfigError. One seed and one thread give the same
    points every time.
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
        what = f"t-SNE with perplexity {perplexity:g}" if method == "tsne" else method.upper()
        remedy = f"Take more rows, or a perplexity of at most {(rows - 1) / 3:.4g}."
        raise InputError(
            f"{what} needs at least {needed} rows, got {rows}",
            remedy if method == "tsne" and rows > 6 else "Take more rows.",
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
    narrow = _narrowed(encodings, seed)
    columns = narrow(encodings)
    embedding = TSNE(
        perplexity=perplexity,
        initialization="pca",
        neighbors="exact" if len(columns) <= EXACT else "annoy",
        negative_gradient_method="bh" if len(columns) <= FEW else "fft",
        ints_in_interval=GRID,
        n_jobs=threads,
        random_state=seed,
    ).fit(columns)
    # openTSNE's transform centres the box of the points in place; done here, it finds nothing to move.
    embedding -= (embedding.max(axis=0) + embedding.min(axis=0)) / 2

    def place(new: np.ndarray) -> np.ndarray:
        return np.array(embedding.transform(narrow(new), k=min(25, len(columns) - 1)))

    return Projection(np.array(embedding), place, "tsne")


def _narrowed(encodings: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """What brings encodings to at most `COLUMNS` columns."""
    if encodings.shape[1] <= COLUMNS or len(encodings) <= COLUMNS:
        return lambda rows: rows
    return PCA(COLUMNS, svd_solver="randomized", random_state=seed).fit(encodings).transform


@dataclass(frozen=True)
class Clustering:
    """What k-means finds without the labels, and how far that agrees with them."""

    assignment: Label
    """The class that each row's cluster stands for: clusters and classes are matched one to one (Hungarian
    method)."""
    matched_accuracy: float
    """The share of rows whose cluster stands for their class."""
    adjusted_rand: float
    """Agreement on which pairs of rows belong together: 1 is all, 0 is chance (Hubert and Arabie 1985)."""
    nmi: float
    """Normalised mutual information, between 0 and 1, over the arithmetic mean of the entropies."""
    purity: float
    """The share of rows whose class is the most frequent one of their cluster."""
    silhouette: float
    """How much nearer rows are to their own cluster than to the next, -1 to 1 (Rousseeuw 1987)."""


def cluster(points: Encodings, label: Label, classes: int, seed: int = 0) -> Clustering:
    """k-means of points or encodings into as many clusters as there are classes. No more rows than that:
    InputError."""
    if len(points) <= classes:
        raise InputError(
            f"{classes} clusters need more than {classes} rows, got {len(points)}", "Take more rows."
        )
    found = KMeans(classes, n_init=10, random_state=seed).fit_predict(points)
    counts = confusion(found, label, classes).T  # (clusters, classes)
    clusters, matched = linear_sum_assignment(counts, maximize=True)
    return Clustering(
        assignment=matched[found],
        matched_accuracy=float(counts[clusters, matched].sum() / len(label)),
        adjusted_rand=float(metrics.adjusted_rand_score(label, found)),
        nmi=float(metrics.normalized_mutual_info_score(label, found)),
        purity=float(counts.max(axis=1).sum() / len(label)),
        silhouette=_silhouette(points, found, seed),
    )


def _silhouette(points: np.ndarray, found: np.ndarray, seed: int) -> float:
    rows = np.random.default_rng(seed).permutation(len(points))[:SILHOUETTE_ROWS]
    return float(metrics.silhouette_score(points[rows], found[rows]))


def probe(
    encodings_train: Encodings,
    label_train: Label,
    encodings_test: Float[np.ndarray, "m d"],
    label_test: Integer[np.ndarray, "m"],
) -> dict[str, float]:
    """How well simple classifiers read the encodings: `knn_accuracy` and `linear_accuracy`, on the test rows.

    Five nearest neighbours, and multinomial logistic regression on standardised columns.
    """
    neighbours = KNeighborsClassifier(NEIGHBOURS)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return {
        f"{name}_accuracy": float(model.fit(encodings_train, label_train).score(encodings_test, label_test))
        for name, model in {"knn": neighbours, "linear": linear}.items()
    }
