"""Generators of tables on the census: what a classifier learns from their rows, beside SDV's ctgan and two baselines.

    .venv/bin/python benchmarks/tables.py [--parts baselines advnotes paper ctgan] [--repeats 3] [--epochs 20]

Each generator learns the training rows and makes as many; three classifiers learn from these and are tested on the
census's own test rows, as they are from the real rows. Seconds are of one fit and one sample. The baselines are columns
drawn by themselves, and a Gaussian copula: the correlations of normal scores, with categories in the order of their
rows. How many of the generated rows are nearer to the training rows than test rows are is said beside. A round is a
seed; README.md says how ctgan is installed, of which only what comes out is looked at.
"""

import argparse
import importlib.util
import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy.stats import norm
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from timing import Part, main, seconds

from advnotes.data import census
from advnotes.metrics import nearest_records
from advnotes.sklearn import TableGenerator

#: From training rows and a seed to as many rows.
Maker = Callable[[pd.DataFrame, int], pd.DataFrame]

#: Its learning rate stays, which ours never does.
PAPER = dict(batch_size=500, pack=10, drop=0.5, learning_rate=2e-4, average=0.0, moves=1, every=1)

NAMES = ("seconds", "accuracy", "AUC", "F1", "closer")


def itself(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    return frame


def independent(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    drawn = np.random.default_rng(seed)
    columns = {
        name: column.iloc[drawn.permutation(len(frame))].reset_index(drop=True)
        for name, column in frame.items()
    }
    return pd.DataFrame(columns)


def copula(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Ranks, ties broken at random, as normal numbers; their correlations; and back by the sorted column."""
    drawn, n = np.random.default_rng(seed), len(frame)
    codes = [
        column.to_numpy()
        if column.dtype.kind == "i"
        else column.map(column.value_counts()).astype(float).fillna(0)
        for _, column in frame.items()
    ]
    orders = [np.lexsort((drawn.random(n), code)) for code in codes]
    scores = np.empty((n, len(orders)))
    for place, order in enumerate(orders):
        scores[order, place] = norm.ppf((np.arange(n) + 0.5) / n)
    new = drawn.multivariate_normal(np.zeros(len(orders)), np.corrcoef(scores.T), size=n)
    ranks = np.minimum((norm.cdf(new) * n).astype(int), n - 1)
    columns = {
        name: column.iloc[order[ranks[:, place]]].reset_index(drop=True)
        for place, ((name, column), order) in enumerate(zip(frame.items(), orders, strict=True))
    }
    return pd.DataFrame(columns)


def ours(frame: pd.DataFrame, seed: int, **settings: float) -> pd.DataFrame:
    model = TableGenerator(random_state=seed, **settings).fit(frame)
    return model.sample(len(frame), random_state=seed)


def peer(frame: pd.DataFrame, seed: int, epochs: int) -> pd.DataFrame:
    """With its defaults but for the epochs; a missing category is a name to it."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - what it draws from
    names = [name for name, column in frame.items() if column.dtype.kind != "i"]
    model = importlib.import_module("ctgan").CTGAN(epochs=epochs, enable_gpu=False)
    model.fit(frame.astype(dict.fromkeys(names, object)).fillna("?"), names)
    return model.sample(len(frame)).replace("?", None).astype(dict(frame.dtypes))


def encoder() -> object:
    return make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_include="category"),
        ),
    )


def scores(made: pd.DataFrame, test: pd.DataFrame) -> list[float]:
    """Accuracy, area under the ROC curve and F1 of the rich, in percent, the means of three classifiers."""
    y, truth = ((frame.income == ">50K").to_numpy(int) for frame in (made, test))
    models = (
        LogisticRegression(max_iter=300),
        DecisionTreeClassifier(max_depth=8, random_state=0),
        HistGradientBoostingClassifier(max_iter=50, random_state=0),
    )
    found = []
    for model in models:
        fitted = make_pipeline(encoder(), model).fit(made.drop(columns="income"), y)
        p = fitted.predict_proba(test.drop(columns="income"))[:, 1]
        found.append([accuracy_score(truth, p > 0.5), roc_auc_score(truth, p), f1_score(truth, p > 0.5)])
    return [100 * float(one) for one in np.mean(found, axis=0)]


def closer(train: pd.DataFrame, made: pd.DataFrame, test: pd.DataFrame, n: int = 2000) -> float:
    """How often a row is nearer to the training rows than a test row is, all columns on one scale."""
    scale = encoder().fit(train)
    return nearest_records(
        *(torch.from_numpy(scale.transform(one)).float() for one in (train, made[:n], test[:n]))
    ).closer


def contenders(part: str, epochs: int) -> dict[str, Maker]:
    if part == "advnotes":
        return {"advnotes": ours}
    if part == "paper":
        return {f"advnotes, the paper's settings, {epochs} epochs": partial(ours, epochs=epochs, **PAPER)}
    if part == "ctgan":
        found = importlib.util.find_spec("ctgan")
        return {f"ctgan, {epochs} epochs": partial(peer, epochs=epochs)} if found else {}
    return {"the rows themselves": itself, "columns by themselves": independent, "Gaussian copula": copula}


def compare(part: str, told: argparse.Namespace) -> None:
    train, test = census("train", size=told.rows), census("test")
    if part == told.parts[0]:
        print("| " + " | ".join(["census, tested on its test rows", *NAMES]) + " |")
        print("| --- |" + " ---: |" * len(NAMES), flush=True)
    for name, make in contenders(part, told.epochs).items():
        found = []
        for seed in range(told.repeats):
            made: list[pd.DataFrame] = []
            took = seconds(lambda: made.append(make(train, seed)), torch.empty(0))  # noqa: B023 - called at once
            found.append([took, *scores(made[0], test), closer(train, made[0], test)])
        middle = [statistics.median(column) for column in zip(*found, strict=True)]
        spread = [f"{min(column):.1f} to {max(column):.1f}" for column in zip(*found, strict=True)]
        told_ = [
            f"{one:.1f} ({two})" if told.repeats > 1 and k < 4 else f"{one:.2f}"
            for k, (one, two) in enumerate(zip(middle, spread, strict=True))
        ]
        print("| " + " | ".join([name, *told_]) + " |", flush=True)


PARTS: dict[str, Part] = {
    part: partial(compare, part) for part in ("baselines", "advnotes", "paper", "ctgan")
}

if __name__ == "__main__":
    main(
        __doc__ or "",
        PARTS,
        repeats=3,
        epochs=(20, "of ctgan, whose default is 300, and of ours beside it"),
        rows=(28_561, "to learn from"),
    )
