"""The models that are compared, each fitted from training rows alone.

| name                    | what it is                                                      |
|-------------------------|-----------------------------------------------------------------|
| `base_rate`             | the training patients' share with the outcome, for everyone     |
| `logistic_clinical`     | penalised logistic regression on the clinical columns           |
| `lightgbm_clinical`     | bagged LightGBM on the clinical columns                         |
| `lightgbm_connectivity` | the same on the connectivity columns                            |
| `lightgbm_both`         | the same on both; this is what is served                        |
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from scipy.special import expit, logit
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from training.config import TrainingConfig
from training.learning.boosting import Bag, fit_bag
from training.learning.recalibration import Recalibration, fit_recalibration
from training.learning.rows import BoolArray, FloatArray, IntArray, TrainingRows
from training.learning.splits import Split, inner_splits

BASE_RATE: Final = "base_rate"
LOGISTIC_CLINICAL: Final = "logistic_clinical"
LIGHTGBM_CLINICAL: Final = "lightgbm_clinical"
LIGHTGBM_CONNECTIVITY: Final = "lightgbm_connectivity"
LIGHTGBM_BOTH: Final = "lightgbm_both"

MODEL_LABELS: Final = {
    BASE_RATE: "Base rate",
    LOGISTIC_CLINICAL: "Logistic regression, clinical",
    LIGHTGBM_CLINICAL: "LightGBM, clinical",
    LIGHTGBM_CONNECTIVITY: "LightGBM, connectivity",
    LIGHTGBM_BOTH: "LightGBM, clinical and connectivity",
}
# Where nothing may be tuned; in the middle of the default grid.
FIXED_PENALTY: Final = 0.03


class FittedModel(Protocol):
    """What every model can do once fitted."""

    def log_odds(self, X: FloatArray) -> FloatArray:
        """Return calibrated log-odds, shape (n,), for features of shape (n, p)."""

    def settings(self) -> str:
        """Return what was tuned, in words."""

    def state_digest(self) -> str:
        """Return a SHA-256 of everything that was learned."""


@dataclass(frozen=True)
class BaseRateModel:
    """The same probability for everyone."""

    base_rate: float

    def log_odds(self, X: FloatArray) -> FloatArray:
        """Return the log-odds of the base rate, once a row."""
        return np.full(len(X), float(logit(self.base_rate)))

    def settings(self) -> str:
        """Nothing is tuned."""
        return ""

    def state_digest(self) -> str:
        """Return a SHA-256 of the base rate."""
        return _digest(self.base_rate.hex())


@dataclass(frozen=True)
class LogisticModel:
    """Penalised logistic regression on imputed, standardised columns."""

    pipeline: Pipeline

    def log_odds(self, X: FloatArray) -> FloatArray:
        """Return the linear predictor."""
        decision: FloatArray = self.pipeline.decision_function(X)
        return decision

    def settings(self) -> str:
        """Return the penalty."""
        return f"inverse penalty C = {self._logistic.C:g}"

    def state_digest(self) -> str:
        """Return a SHA-256 of imputer, scaler and coefficients."""
        parts = (
            self.pipeline[0].statistics_, self.pipeline[1].mean_, self.pipeline[1].scale_,
            self._logistic.coef_, self._logistic.intercept_,
        )  # fmt: skip
        return _digest(
            "".join(np.asarray(part, dtype=np.float64).tobytes().hex() for part in parts)
        )

    @property
    def _logistic(self) -> LogisticRegression:
        return self.pipeline[-1]


@dataclass(frozen=True)
class BoostedModel:
    """A bag of boosters, the columns of X that it was fitted on, and its recalibration."""

    bag: Bag
    columns: IntArray
    recalibration: Recalibration

    def log_odds(self, X: FloatArray) -> FloatArray:
        """Return the recalibrated mean margin."""
        return self.recalibration.log_odds(self.bag.margin(X[:, self.columns]))

    def settings(self) -> str:
        """Return the size of the trees."""
        return self.bag.settings.describe()

    def state_digest(self) -> str:
        """Return a SHA-256 of all trees and the recalibration."""
        trees = "".join(booster.model_to_string() for booster in self.bag.boosters)
        return _digest(trees + repr(self.columns.tolist()) + repr(self.recalibration))


def fit_base_rate(y: BoolArray) -> BaseRateModel:
    """Fit the share with the outcome; one half of a patient is added to each side.

    The addition (Jeffreys' prior) keeps the log-odds finite where all training patients are alike.
    """
    return BaseRateModel(float((np.count_nonzero(y) + 0.5) / (len(y) + 1)))


def fit_logistic(rows: TrainingRows, config: TrainingConfig, *, tuned: bool) -> FittedModel:
    """Fit the logistic comparator: median imputation, unit variance, ridge penalty.

    Parameters
    ----------
    tuned : bool
        Whether the penalty is chosen on inner folds; else it is `FIXED_PENALTY`.
    """
    if not 0 < np.count_nonzero(rows.y) < len(rows.y):
        return fit_base_rate(rows.y)
    pipeline = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=FIXED_PENALTY, max_iter=1000),
    )
    folds = _first_repeat(_inner(rows, config, repeats=1)) if tuned else []
    if not folds:
        return LogisticModel(pipeline.fit(rows.X, rows.y))
    search = GridSearchCV(
        pipeline,
        {"logisticregression__C": list(config.boosting.penalties)},
        scoring=_negative_log_loss,
        cv=[(split.train, split.test) for split in folds],
    )
    return LogisticModel(search.fit(rows.X, rows.y).best_estimator_)


def fit_boosted(rows: TrainingRows, config: TrainingConfig) -> FittedModel:
    """Fit, bag and recalibrate LightGBM; the base rate where no fold holds both outcomes.

    Columns that do not vary teach nothing, and are left out of the draw of features for each tree.
    """
    splits = _inner(rows, config, repeats=config.boosting.bag_repeats)
    columns = varying_columns(rows.X)
    if not splits or len(columns) == 0:
        return fit_base_rate(rows.y)
    bag = fit_bag(rows.columns(columns), splits, config.boosting, config.seed)
    recalibration = fit_recalibration(bag.out_of_fold_margin, rows.y, rows.site)
    return BoostedModel(bag, columns, recalibration)


def varying_columns(X: FloatArray) -> IntArray:
    """Return the columns with two known values or more."""
    # fmin and fmax pass over NaN, and compare as false where nothing is known.
    return np.flatnonzero(np.fmax.reduce(X, axis=0) > np.fmin.reduce(X, axis=0))


def _inner(rows: TrainingRows, config: TrainingConfig, repeats: int) -> list[Split]:
    validation = config.validation
    return inner_splits(
        rows.y,
        rows.site,
        minimum_sites=validation.minimum_sites,
        folds=validation.inner_folds,
        repeats=repeats,
        seed=config.seed,
        patient=rows.patient,
    )


def _first_repeat(splits: Sequence[Split]) -> list[Split]:
    return [split for split in splits if split.repeat == 0]


def _negative_log_loss(pipeline: Pipeline, X: FloatArray, y: BoolArray) -> float:
    # As scorer "neg_log_loss", but a fold may hold one outcome only.
    log_odds = pipeline.decision_function(X)
    return -float(np.mean(np.logaddexp(0.0, np.where(y, -log_odds, log_odds))))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def probability(log_odds: FloatArray) -> FloatArray:
    """Return probabilities of log-odds."""
    result: FloatArray = expit(log_odds)
    return result
