"""The classic leaks, each planted in an otherwise honest study."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from cohort_tables import simulated_table
from oracle_bound import leaked_column
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from features.harmonisation import ComBat
from features.table import extra_feature
from training.dataset import TrainingTable
from training.isolation.folds import Fit
from training.learning.rows import BoolArray, FloatArray, IntArray
from training.learning.splits import Split, outer_splits

N_PATIENTS = 160
N_NOISE = 400


class Prepared(NamedTuple):
    """What a script has made of the data: everyone's columns, and what it learns from."""

    X: FloatArray
    X_train: FloatArray
    y_train: BoolArray
    C: float = 0.1


Prepare = Callable[[FloatArray, BoolArray, npt.NDArray[Any], IntArray, IntArray], Prepared]


@dataclass(frozen=True)
class Study:
    """A table, whose rows they are, and the script that prepares it."""

    table: TrainingTable
    patient: IntArray
    prepare: Prepare

    def splits(self) -> list[Split]:
        """Return folds of single patients: where leaks between the rows of one site show too."""
        table = self.table
        name = outer_splits(table.y, table.site, minimum_sites=99, folds=3, repeats=1, seed=5)
        return name[1]

    @property
    def fit(self) -> Fit:
        """The script as `check_fold_isolation` takes it."""

        def fit(X: Any, y: Any, site: Any, train: IntArray, test: IntArray) -> object:
            return _fitted(self.prepare(X, y, site, train, test))

        return fit

    def held_out_log_odds(self, split: Split) -> FloatArray:
        """Return what the script predicts for those held out."""
        table = self.table
        prepared = self.prepare(table.X, table.y, table.site, split.train, split.test)
        log_odds: FloatArray = _fitted(prepared).decision_function(prepared.X[split.test])
        return log_odds


def _fitted(prepared: Prepared) -> LogisticRegression:
    return LogisticRegression(C=prepared.C, max_iter=200).fit(prepared.X_train, prepared.y_train)


def _study(table: TrainingTable, prepare: Prepare, patient: IntArray | None = None) -> Study:
    return Study(table, np.arange(len(table.y)) if patient is None else patient, prepare)


def _filled(X: FloatArray, known: FloatArray) -> FloatArray:
    """Return X with the medians of some rows where it is missing, 0 for what nobody has."""
    empty = np.isnan(known).all(axis=0)
    medians = np.nanmedian(np.where(empty, 0.0, known), axis=0)
    return np.where(np.isnan(X), medians, X)


def _scaled(Z: FloatArray, train: IntArray) -> FloatArray:
    spread = Z[train].std(axis=0)
    scaled: FloatArray = (Z - Z[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return scaled


def honest(
    X: FloatArray, y: BoolArray, _: object, train: IntArray, __: object, C: float = 0.1
) -> Prepared:
    """Fill and scale by the training rows alone."""
    Z = _scaled(_filled(X, X[train]), train)
    return Prepared(Z, Z[train], y[train], C)


def _harmonised(
    X: FloatArray, y: BoolArray, site: npt.NDArray[Any], train: IntArray, test: IntArray
) -> Prepared:
    return honest(ComBat().fit_transform(X, site=site), y, site, train, test)


def _imputed(
    X: FloatArray, y: BoolArray, site: npt.NDArray[Any], train: IntArray, test: IntArray
) -> Prepared:
    return honest(_filled(X, X), y, site, train, test)


def _selected(X: FloatArray, y: BoolArray, _: object, train: IntArray, __: object) -> Prepared:
    Z = _scaled(_filled(X, X[train]), train)
    difference = np.abs(Z[y].mean(axis=0) - Z[~y].mean(axis=0))
    best = np.argsort(-difference, kind="stable")[:20]
    return Prepared(Z[:, best], Z[train][:, best], y[train])


def _tuned(
    X: FloatArray, y: BoolArray, site: npt.NDArray[Any], train: IntArray, test: IntArray
) -> Prepared:
    candidates = [honest(X, y, site, train, test, C) for C in (1e-4, 1e-2, 1.0)]

    def held_out_loss(prepared: Prepared) -> float:
        log_odds = _fitted(prepared).decision_function(prepared.X[test])
        return float(np.mean(np.logaddexp(0.0, np.where(y[test], -log_odds, log_odds))))

    return min(candidates, key=held_out_loss)


def _encoded(
    X: FloatArray, y: BoolArray, site: npt.NDArray[Any], train: IntArray, test: IntArray
) -> Prepared:
    rate = {name: float(np.mean(y[site == name])) for name in np.unique(site)}
    column = np.array([rate[name] for name in site])
    return honest(np.column_stack([X, column]), y, site, train, test)


def _oversampled(
    X: FloatArray, y: BoolArray, site: npt.NDArray[Any], train: IntArray, test: IntArray
) -> Prepared:
    """Learn from points between a patient of the rarer outcome and his nearest of that outcome."""
    prepared = honest(X, y, site, train, test)
    rare = prepared.X[y == (np.mean(y) < 0.5)]
    distance = np.linalg.norm(rare[:, None] - rare[None], axis=2) + np.diag([np.inf] * len(rare))
    between = (rare + rare[np.argmin(distance, axis=1)]) / 2
    X_train = np.vstack([prepared.X_train, between])
    labels = np.full(len(between), np.mean(y) < 0.5)
    return prepared._replace(X_train=X_train, y_train=np.append(prepared.y_train, labels))


def _table(n_noise: int = 0, signal: float = 1.0) -> TrainingTable:
    table = simulated_table(N_PATIENTS, 4, signal, seed=2)
    rng = np.random.default_rng(0)
    for number in range(n_noise):
        table = with_column(table, f"noise_{number}", rng.normal(size=N_PATIENTS))
    return table


def with_column(table: TrainingTable, name: str, values: FloatArray) -> TrainingTable:
    """Return the table with one more column."""
    feature = extra_feature(name, name.replace("_", " "), "points", "clinical")
    return replace(table, X=np.column_stack([table.X, values]), features=(*table.features, feature))


def _rows(table: TrainingTable, rows: IntArray) -> TrainingTable:
    return replace(table, X=table.X[rows], y=table.y[rows], site=table.site[rows])


def _twice() -> Study:
    table = _table()
    rows = np.append(np.arange(N_PATIENTS), np.arange(40))
    return _study(_rows(table, rows), honest, rows)


def _repeated() -> Study:
    """Random oversampling of the rarer outcome, before anything is split."""
    table = _table()
    rarer = np.flatnonzero(table.y == (np.mean(table.y) < 0.5))
    rows = np.append(np.arange(N_PATIENTS), np.random.default_rng(0).choice(rarer, 30))
    return _study(_rows(table, rows), honest, rows)


def _after_treatment() -> Study:
    table = _table()
    return _study(with_column(table, "mood_rating", -leaked_column(table.y, 0.9)), honest)


def _site_rate() -> Study:
    table = _table()
    # Sites that differ, or their rates would be one another's.
    rng = np.random.default_rng(3)
    of_site = np.unique(table.site, return_inverse=True)[1]
    y = rng.random(N_PATIENTS) < np.array([0.15, 0.4, 0.6, 0.85])[of_site]
    rate = np.array([np.mean(y[of_site == code]) for code in of_site])
    return _study(with_column(replace(table, y=y), "clinic_score", rate), honest)


def studies() -> Iterator[tuple[str, Study]]:
    """Yield each leak's name, as in `docs/leaks.md`, and a study that has it."""
    yield "Nothing: an honest pipeline", _study(_table(), honest)
    yield "Harmonised before the split", _study(_table(), _harmonised)
    yield "Imputed before the split", _study(_table(), _imputed)
    yield "Features selected on everyone", _study(_table(N_NOISE, signal=0.0), _selected)
    yield "Tuned on the test fold", _study(_table(), _tuned)
    yield "Sites encoded by everyone's outcome", _study(_table(), _encoded)
    yield "Synthetic patients (SMOTE) before the split", _study(_table(), _oversampled)
    yield "Rarer outcome repeated before the split", _repeated()
    yield "Patients who are there twice", _twice()
    yield "A column measured after treatment", _after_treatment()
    yield "A column with each site's rate of the outcome", _site_rate()


def held_out_auroc(study: Study) -> float:
    """Return the mean AUROC over folds of what the script predicts."""
    return float(np.mean(
        [roc_auc_score(study.table.y[split.test], study.held_out_log_odds(split))
         for split in study.splits()]
    ))  # fmt: skip
