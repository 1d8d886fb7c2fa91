"""scikit-learn's best on the same arrays: a support vector machine with an RBF kernel on the features of
each modality, and on both side by side."""

import time
from collections.abc import Iterator

import numpy as np
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from seesay.config import Condition, condition
from seesay.data.dataset import Dataset
from seesay.data.splits import Splits
from seesay.model.classifier import build, features_of
from seesay.recipes import recipe


def support_vector_machines(
    data: Dataset, splits: Splits, rows: int, tested: int, seed: int = 0
) -> Iterator[tuple[Condition, float, float]]:
    """Condition, macro-F1 on `tested` test rows and CPU seconds of fitting and predicting, trained on
    `rows` rows drawn at random: all of them would take hours."""
    random = np.random.default_rng(seed)
    train, test = (
        random.choice(part, min(size, len(part)), replace=False)
        for part, size in ((splits.train, rows), (splits.test, tested))
    )
    tables = {m: t.float().flatten(1).numpy() for m, t in features_of(_model(data), data).items()}
    for modalities in (*((m,) for m in tables), tuple(tables)):
        x, y = (
            np.concatenate([tables[m][data.pointers(m)[part]] for m in modalities], 1)
            for part in (train, test)
        )
        began = time.process_time()
        machine = make_pipeline(StandardScaler(), SVC(C=10.0, cache_size=1000)).fit(x, data.label[train])
        score = f1_score(data.label[test], machine.predict(y), average="macro")
        yield condition(modalities), float(score), time.process_time() - began


def _model(data: Dataset):
    return build(recipe("small").model, data.spec)
