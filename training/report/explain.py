"""Why the served model says what it says: SHAP contributions, checked, and the tables made of them.

Contributions are those of the *calibrated* log-odds, so for every patient
`baseline + sum(contributions) = logit(probability)`. Everything here returns arrays or tidy tables;
`training/report/plots.py` draws them.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from zipfile import BadZipFile

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from scipy.stats import rankdata

from data_schemas.errors import DataError, ModelError
from serving.predictor import BOOSTER_FILE, ResponsePredictor

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

TOLERANCE: Final = 1e-6
"""Largest difference in log-odds that rounding may leave."""

SMALLEST_SHARED_BAND: Final = 5
"""Patients who must share a band of values before one patient's band may be shown."""

UNKNOWN: Final = "unknown"
_BANDS: Final = ("very low", "low", "typical", "high", "very high")


@dataclass(frozen=True)
class Explanations:
    """The served model's answers for its n training patients, taken apart by feature.

    Attributes
    ----------
    features : tuple of str, length p
        Names of the columns.
    X : ndarray of float, shape (n, p)
        Feature values; NaN where unknown.
    contributions : ndarray of float, shape (n, p)
        SHAP values in calibrated log-odds.
    baseline : float
        Log-odds before any feature is used.
    probability : ndarray of float, shape (n,)
        Served probability, 0 to 1.
    y : ndarray of bool, shape (n,)
        Whether the patient reached the outcome.
    shap_difference : float
        Largest difference in log-odds from the values of the `shap` package; NaN where the model
        has no trees, hence nothing to compare.
    """

    features: tuple[str, ...]
    X: FloatArray
    contributions: FloatArray
    baseline: float
    probability: FloatArray
    y: BoolArray
    shap_difference: float

    @property
    def any_signal(self) -> bool:
        """Whether any feature moves any prediction."""
        return bool(np.any(self.contributions != 0))


def explain(predictor: ResponsePredictor, X: FloatArray, y: npt.ArrayLike) -> Explanations:
    """Explain a model's predictions and prove that the explanation is true.

    Parameters
    ----------
    predictor : ResponsePredictor
        The fitted model.
    X : ndarray of float, shape (n, p)
        Feature values in the model's order; NaN where unknown.
    y : array_like of bool, shape (n,)
        Whether each patient reached the outcome.

    Returns
    -------
    Explanations

    Raises
    ------
    ModelError
        When the contributions do not add up to the prediction, or differ from those that the
        `shap` package finds in the same trees, by more than 1e-6.
    """
    contributions = predictor.contributions(X)
    baseline = float(predictor.baseline_log_odds)
    log_odds = predictor.log_odds(X)
    explanations = Explanations(
        features=tuple(feature.name for feature in predictor.document.features),
        X=np.asarray(X, dtype=np.float64),
        contributions=contributions,
        baseline=baseline,
        probability=expit(log_odds),
        y=np.asarray(y, dtype=np.bool_),
        shap_difference=shap_difference(predictor, X),
    )
    gap = float(np.max(np.abs(baseline + contributions.sum(axis=1) - log_odds)))
    if gap > TOLERANCE or explanations.shap_difference > TOLERANCE:
        raise ModelError(
            "The model's explanations do not reproduce its predictions to 1e-6 "
            f"(sum: {gap:.1e}, shap: {explanations.shap_difference:.1e}); train the model again."
        )
    return explanations


def shap_difference(predictor: ResponsePredictor, X: FloatArray) -> float:
    """Return the largest difference between our contributions and those of the `shap` package.

    `shap.TreeExplainer` explains the margin of the booster; times the calibration slope it must be
    what the model serves.

    Parameters
    ----------
    predictor : ResponsePredictor
    X : ndarray of float, shape (n, p)

    Returns
    -------
    float
        In log-odds; NaN where the model has no trees.
    """
    if predictor.document.booster is None:
        return float("nan")
    with TemporaryDirectory() as folder:
        # The artefact as it is served: through its own text, not through what training holds.
        predictor.save(folder)
        booster = lightgbm.Booster(model_file=Path(folder) / BOOSTER_FILE)
    with warnings.catch_warnings():
        # shap's own use of matplotlib and of LightGBM warns; there is nothing to mend here.
        warnings.simplefilter("ignore")
        import shap  # noqa: PLC0415  - takes seconds, and is needed here only

        margin = np.asarray(shap.TreeExplainer(booster).shap_values(X))
    slope = predictor.document.calibration.slope
    return float(np.max(np.abs(slope * margin - predictor.contributions(X))))


def save_explanations(path: Path, explanations: Explanations) -> None:
    """Write explanations as `.npz`: arrays only, the same bytes for the same content."""
    arrays = {**vars(explanations), "features": np.array(explanations.features, dtype=np.str_)}
    np.savez(path, **arrays)


def load_explanations(path: Path) -> Explanations:
    """Read what `save_explanations` wrote; nothing in the file is executed.

    Raises
    ------
    DataError
        When the file is absent or is not one of explanations.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Explanations(
                features=tuple(arrays["features"].tolist()),
                X=arrays["X"],
                contributions=arrays["contributions"],
                baseline=float(arrays["baseline"]),
                probability=arrays["probability"],
                y=arrays["y"].astype(np.bool_),
                shap_difference=float(arrays["shap_difference"]),
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        raise DataError(
            f"{path} does not hold the explanations of a finished run; train the model again."
        ) from None


def importances(explanations: Explanations) -> pd.DataFrame:
    """Rank the features by how far they move predictions.

    Returns
    -------
    DataFrame
        One row a feature, most important first: `feature`; `mean_absolute_log_odds`, the mean of
        |SHAP|; `share` of all features', 0 to 1; `mean_percentage_points`, how far the probability
        would move on average if the contribution were taken out; `direction`, Spearman's rank
        correlation of value and contribution (NaN where either is constant); `missing_share`,
        0 to 1.
    """
    size = np.abs(explanations.contributions).mean(axis=0)
    log_odds = explanations.baseline + explanations.contributions.sum(axis=1)
    without = expit(log_odds[:, None] - explanations.contributions)
    moved = np.abs(explanations.probability[:, None] - without).mean(axis=0)
    columns = explanations.X.T
    table = pd.DataFrame(
        {
            "feature": explanations.features,
            "mean_absolute_log_odds": size,
            "share": size / size.sum() if size.sum() > 0 else size,
            "mean_percentage_points": 100 * moved,
            "direction": [
                rank_correlation(values, phi)
                for values, phi in zip(columns, explanations.contributions.T, strict=True)
            ],
            "missing_share": np.isnan(explanations.X).mean(axis=0),
        }
    )
    return table.sort_values(
        ["mean_absolute_log_odds", "feature"], ascending=[False, True], ignore_index=True
    )


def rank_correlation(values: FloatArray, contributions: FloatArray) -> float:
    """Return Spearman's rho over the patients in whom the value is known; NaN where undefined."""
    known = ~np.isnan(values)
    if np.unique(values[known]).size < 2 or np.unique(contributions[known]).size < 2:
        return float("nan")
    ranks = rankdata(values[known]), rankdata(contributions[known])
    return float(np.corrcoef(*ranks)[0, 1])


def beeswarm_points(explanations: Explanations, features: Sequence[str]) -> pd.DataFrame:
    """Return one row a patient and feature: what a beeswarm shows.

    Returns
    -------
    DataFrame
        `feature`; `log_odds`, the contribution; `value_rank`, 0 for the lowest value of that
        feature and 1 for the highest, NaN where unknown. No value itself.
    """
    frames = []
    for name in features:
        column = explanations.features.index(name)
        frames.append(
            pd.DataFrame(
                {
                    "feature": name,
                    "log_odds": explanations.contributions[:, column],
                    "value_rank": _relative_ranks(explanations.X[:, column]),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _relative_ranks(values: FloatArray) -> FloatArray:
    ranks = np.full(values.shape, np.nan)
    known = ~np.isnan(values)
    if known.any():
        ranked = rankdata(values[known])
        spread = np.ptp(ranked)
        ranks[known] = (ranked - ranked.min()) / spread if spread > 0 else 0.5
    return ranks


def example_rows(
    explanations: Explanations, quantiles: Sequence[float] = (0.1, 0.5, 0.9)
) -> list[int]:
    """Return the rows of the patients nearest to these quantiles of predicted probability."""
    wanted = np.quantile(explanations.probability, quantiles)
    return [int(np.argmin(np.abs(explanations.probability - level))) for level in wanted]


def waterfall_steps(
    explanations: Explanations, row: int, *, n_shown: int, shown: BoolArray | None = None
) -> pd.DataFrame:
    """Return the way from the baseline to one patient's prediction, largest step first.

    Parameters
    ----------
    explanations : Explanations
    row : int
        The patient.
    n_shown : int
        Features shown one by one; the others are one last step.
    shown : ndarray of bool, shape (p,), optional
        Features that may be shown; by default all.

    Returns
    -------
    DataFrame
        `feature` (empty for the last step), `log_odds` of the step, `start` and `end` in log-odds,
        `probability` after the step. The last `end` is the logit of the patient's probability.
    """
    phi = explanations.contributions[row]
    allowed = np.ones(phi.shape, dtype=np.bool_) if shown is None else shown
    order = [j for j in np.argsort(-np.abs(phi), kind="stable") if allowed[j] and phi[j] != 0]
    chosen = order[:n_shown]
    steps = [*phi[chosen], phi.sum() - phi[chosen].sum()]
    ends = explanations.baseline + np.cumsum(steps)
    return pd.DataFrame(
        {
            "feature": [*(explanations.features[j] for j in chosen), ""],
            "log_odds": steps,
            "start": ends - steps,
            "end": ends,
            "probability": expit(ends),
        }
    )


def value_bands(values: FloatArray, *, yes_no: bool) -> list[str | None]:
    """Put each patient's value of one feature into words that many patients share.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        One feature; NaN where unknown.
    yes_no : bool
        Whether it is 1 for yes and 0 for no.

    Returns
    -------
    list of str or None
        "yes" or "no" for a yes/no feature, otherwise its fifth of the cohort from "very low" to
        "very high"; "unknown" where missing. None where fewer than five patients share the word,
        so that it may not be shown.
    """
    words: list[str | None] = [UNKNOWN] * len(values)
    known = np.flatnonzero(~np.isnan(values))
    if yes_no:
        named = ["yes" if values[i] else "no" for i in known]
    else:
        position = (rankdata(values[known]) - 0.5) / max(known.size, 1)
        named = [_BANDS[min(int(len(_BANDS) * place), len(_BANDS) - 1)] for place in position]
    for i, word in zip(known, named, strict=True):
        words[i] = word
    return [word if words.count(word) >= SMALLEST_SHARED_BAND else None for word in words]
