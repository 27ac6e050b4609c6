"""Nested tuning through scikit-learn and through ours: same folds, candidates and data.

Ten outer folds, five inner ones, 25 random candidates, 300 patients. Outer folds are taken two at
a time, each method in turn with both cores, so that a busy machine slows all of them alike:
scikit-learn parallelises the fits of a search (`n_jobs=2`), ours the two outer folds. All choose by
log loss and refit the winner once on the outer training rows.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

import joblib
import lightgbm
import numpy as np
from scipy.stats import loguniform, randint, uniform
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import log_loss, make_scorer, roc_auc_score
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    ParameterSampler,
    RandomizedSearchCV,
    StratifiedKFold,
)

from benchmarks.reporting import machine, table, write_section
from training.config import BoostingConfig, load_config
from training.learning.booster import BoosterSettings, fit_booster, margin_of
from training.learning.boosting import fit_bag
from training.learning.rows import BoolArray, FloatArray, IntArray, TrainingRows
from training.learning.splits import Split, inner_splits
from training.learning.tuning import tune

N_PATIENTS, N_FRESH = 300, 4000
OUTER, INNER, CANDIDATES = 10, 5, 25
CORES = 2
SPACE = {
    "num_leaves": randint(2, 16),
    "min_child_samples": randint(5, 41),
    "n_estimators": randint(20, 201),
    "learning_rate": loguniform(0.02, 0.2),
    "reg_lambda": loguniform(0.01, 30),
    "colsample_bytree": uniform(0.3, 0.7),
}
# As "neg_log_loss", but a fold of a small round may hold one outcome only.
LOG_LOSS = make_scorer(
    log_loss, greater_is_better=False, response_method="predict_proba", labels=[False, True]
)
CONFIG = load_config().boosting
SCIKIT_LEARN, HALVING, OURS = "`RandomizedSearchCV`", "`HalvingRandomSearchCV`", "ours"


@dataclass(frozen=True)
class Data:
    """Patients to learn from, and fresh ones of the same kind to judge by."""

    X: FloatArray
    y: BoolArray
    X_fresh: FloatArray
    y_fresh: BoolArray
    seed: int


@dataclass(frozen=True)
class Measured:
    """One method on one outer fold; the time is that of two folds, halved."""

    seconds: float
    held_out_auc: float
    fresh_auc: float


Answer = tuple[FloatArray, FloatArray]
Method = Callable[[Data, Sequence[IntArray]], list[Answer]]


def draw(n_features: int, seed: int) -> Data:
    """Draw correlated features, of which eight say something, a twelfth of the values missing."""
    rng = np.random.default_rng(seed)
    n = N_PATIENTS + N_FRESH
    n_factors = max(6, n_features // 20)
    loadings = rng.normal(size=(n_factors, n_features)) * 0.9 / sqrt(n_factors)
    X = rng.normal(size=(n, n_factors)) @ loadings + rng.normal(size=(n, n_features))
    log_odds = (
        0.7 * X[:, 0] - 0.5 * X[:, 1] + 0.5 * np.maximum(X[:, 2], 0) - 0.4 * np.abs(X[:, 5])
        + 0.4 * X[:, 3] * (X[:, 4] > 0) + 0.3 * X[:, 6] + 0.3 * X[:, 7]
    )  # fmt: skip
    y = rng.random(n) < 1 / (1 + np.exp(-log_odds))
    X[rng.random(X.shape) < 1 / 12] = np.nan
    return Data(X[:N_PATIENTS], y[:N_PATIENTS], X[N_PATIENTS:], y[N_PATIENTS:], seed)


def inner_folds(seed: int) -> StratifiedKFold:
    return StratifiedKFold(INNER, shuffle=True, random_state=seed)


def search(kind: str, data: Data, test: IntArray) -> Answer:
    """Search through scikit-learn with both cores."""
    train = np.setdiff1d(np.arange(N_PATIENTS), test)
    classifier = lightgbm.LGBMClassifier(n_jobs=1, random_state=data.seed, verbosity=-1)
    shared = {
        "scoring": LOG_LOSS,
        "cv": inner_folds(data.seed),
        "n_jobs": CORES,
        "random_state": data.seed,
    }
    if kind == HALVING:
        # On a quarter of the patients, then the better half on half, then a quarter on all.
        found = HalvingRandomSearchCV(
            classifier, SPACE, n_candidates=CANDIDATES, factor=2,
            min_resources=len(train) // 4, **shared,
        )  # fmt: skip
    else:
        found = RandomizedSearchCV(classifier, SPACE, n_iter=CANDIDATES, **shared)
    model = found.fit(data.X[train], data.y[train]).best_estimator_.booster_
    return margin_of(model, data.X[test]), margin_of(model, data.X_fresh)


def candidates(seed: int) -> list[BoosterSettings]:
    """Return the very candidates that scikit-learn draws from the space."""
    return [
        BoosterSettings(
            num_leaves=drawn["num_leaves"],
            min_patients_a_leaf=drawn["min_child_samples"],
            n_trees=drawn["n_estimators"],
            learning_rate=drawn["learning_rate"],
            l2_penalty=drawn["reg_lambda"],
            feature_fraction=drawn["colsample_bytree"],
        )
        for drawn in ParameterSampler(SPACE, CANDIDATES, random_state=seed)
    ]


def ours(data: Data, test: IntArray, config: BoostingConfig) -> Answer:
    """Tune with one core, and fit the winner."""
    rows = training_rows(data, test)
    folds = inner_folds(data.seed).split(rows.X, rows.y)
    splits = [Split(0, number, *fold) for number, fold in enumerate(folds)]
    chosen = tune(rows, splits, candidates(data.seed), config, data.seed)
    model = fit_booster(rows, chosen, config.max_bin, data.seed)
    return margin_of(model, data.X[test]), margin_of(model, data.X_fresh)


def shipped(data: Data, test: IntArray, config: BoostingConfig) -> Answer:
    """Fit what `tms-response train` fits: its own candidates, then a bag of 20 boosters."""
    rows = training_rows(data, test)
    splits = inner_splits(
        rows.y, rows.site, minimum_sites=3, folds=INNER, repeats=config.bag_repeats, seed=data.seed
    )
    bag = fit_bag(rows, splits, config, data.seed)
    return bag.margin(data.X[test]), bag.margin(data.X_fresh)


def training_rows(data: Data, test: IntArray) -> TrainingRows:
    rows = TrainingRows(data.X, data.y, np.full(N_PATIENTS, "one site"), (0,) * data.X.shape[1])
    return rows.rows(np.setdiff1d(np.arange(N_PATIENTS), test))


def one_by_one(kind: str) -> Method:
    return lambda data, tests: [search(kind, data, test) for test in tests]


def side_by_side(fit: Callable[..., Answer], **changes: object) -> Method:
    config = CONFIG.model_copy(update=changes)
    call = joblib.delayed(fit)
    return lambda data, tests: joblib.Parallel(CORES)(call(data, test, config) for test in tests)


METHODS: dict[str, Method] = {
    SCIKIT_LEARN: one_by_one(SCIKIT_LEARN),
    HALVING: one_by_one(HALVING),
    OURS: side_by_side(ours),
}
STEPS: dict[str, Method] = {
    "LightGBM driven directly, one set of bins a fold (255)": side_by_side(
        ours, tuning="exhaustive", max_bin=255
    ),
    f"and {CONFIG.max_bin} bins": side_by_side(ours, tuning="exhaustive"),
    "and racing: ours": METHODS[OURS],
    "racing with 255 bins": side_by_side(ours, max_bin=255),
    "what `train` fits: its 16 candidates, then 20 boosters": side_by_side(shipped),
}


def measure(methods: dict[str, Method], data: Data, n_outer: int) -> dict[str, list[Measured]]:
    """Run the methods on pairs of outer folds, in turn."""
    outer = StratifiedKFold(OUTER, shuffle=True, random_state=data.seed).split(data.X, data.y)
    tests = [test for _, test in outer][:n_outer]
    measured: dict[str, list[Measured]] = {name: [] for name in methods}
    for first in range(0, n_outer, CORES):
        pair = tests[first : first + CORES]
        for name, method in methods.items():
            started = time.perf_counter()
            answers = method(data, pair)
            seconds = (time.perf_counter() - started) / len(pair)
            for test, (held_out, fresh) in zip(pair, answers, strict=True):
                aucs = roc_auc_score(data.y[test], held_out), roc_auc_score(data.y_fresh, fresh)
                measured[name].append(Measured(seconds, *aucs))
    return measured


def time_ratios(measured: dict[str, list[Measured]], name: str) -> FloatArray:
    """Return how many times as long scikit-learn took, once a pair of outer folds."""
    seconds = {
        which: np.array([each.seconds for each in measured[which][::CORES]])
        for which in (SCIKIT_LEARN, name)
    }
    ratios: FloatArray = seconds[SCIKIT_LEARN] / seconds[name]
    return ratios


def mean_and_error(values: Sequence[float]) -> str:
    """Return the mean of independent values, and its standard error."""
    error = f" ± {np.std(values, ddof=1) / sqrt(len(values)):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):+.4f}{error}"


def comparison(datasets: Sequence[dict[str, list[Measured]]]) -> str:
    """Return the table of methods over several datasets."""
    rows = []
    for name in datasets[0]:
        folds = [each for measured in datasets for each in measured[name]]
        ratios = np.concatenate([time_ratios(measured, name) for measured in datasets])
        differences = [
            float(np.mean([each.fresh_auc for each in measured[name]]))
            - float(np.mean([each.fresh_auc for each in measured[SCIKIT_LEARN]]))
            for measured in datasets
        ]
        rows.append(
            [
                name,
                f"{OUTER * np.median([each.seconds for each in folds]):.1f}",
                f"{np.median(ratios):.1f} ({ratios.min():.1f} to {ratios.max():.1f})",
                f"{np.mean([each.held_out_auc for each in folds]):.3f}",
                f"{np.mean([each.fresh_auc for each in folds]):.3f}",
                "" if name == SCIKIT_LEARN else mean_and_error(differences),
            ]
        )
    header = [
        "", "seconds for 10 outer folds", "times faster (pairs of folds)",
        "AUC out of fold", "AUC, fresh patients", "difference ± SE",
    ]  # fmt: skip
    return table(header, rows)


def warm_up() -> None:
    """Start the worker processes, so that no method pays for it."""
    data = draw(10, 0)
    for method in METHODS.values():
        method(data, [np.arange(30), np.arange(30, 60)])


def benchmark(n_features: int, n_datasets: int, n_outer: int, n_explained: int) -> None:
    """Measure at one number of features, and write its section."""
    datasets = [
        measure(METHODS, draw(n_features, seed), CORES if seed else n_outer)
        for seed in range(n_datasets)
    ]
    steps = {SCIKIT_LEARN: METHODS[SCIKIT_LEARN], **STEPS}
    explained = [measure(steps, draw(n_features, seed), CORES) for seed in range(n_explained)]
    gain = f"Where the gain comes from, on {CORES} outer folds of {n_explained} datasets:"
    write_section(
        f"nested_cv_{n_features:04}",
        f"Nested cross-validation, {n_features:,} features",
        f"{N_PATIENTS} simulated patients, {OUTER} outer folds x {INNER} inner folds x "
        f"{CANDIDATES} candidates drawn at random: leaves 2 to 15, patients a leaf 5 to 40, trees "
        "20 to 200, learning rate 0.02 to 0.2, L2 0.01 to 30, share of features 0.3 to 1; no two "
        f"can share a booster. The same folds, candidates, data and {CORES} cores for all, in turn "
        f"on {CORES} outer folds at a time. scikit-learn's boosters have 255 bins, ours "
        f"{CONFIG.max_bin}; everything is fitted inside the fold.",
        f"{n_outer} outer folds of a first dataset and {CORES} of each of {n_datasets - 1} more. "
        f"The difference is that of the AUC in {N_FRESH:,} fresh patients of the same kind, "
        "predicted by each outer fold's model; its SE is between datasets.",
        comparison(datasets),
        *((gain, comparison(explained)) if explained else ()),
        machine("lightgbm", "scikit-learn", "numpy", "joblib"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Nested tuning beside scikit-learn's.")
    parser.add_argument("--datasets", type=int, default=16, help="with 60 features")
    parser.add_argument("--wide-datasets", type=int, default=2, help="with 2,000 features")
    parser.add_argument("--outer", type=int, default=OUTER, help="folds of the first dataset")
    parser.add_argument("--explained", type=int, default=2, help="datasets of the second table")
    parser.add_argument("--features", type=int, nargs="+", default=[60, 2000])
    chosen = parser.parse_args()
    warm_up()
    for n_features in chosen.features:
        n_datasets = chosen.datasets if n_features < 1000 else chosen.wide_datasets
        benchmark(n_features, n_datasets, chosen.outer, chosen.explained)


if __name__ == "__main__":
    main()
