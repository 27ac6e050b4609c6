"""Made-up connectivity of scanners that differ, where what is true is known."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score

from features.harmonisation import ComBat

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

DOCS: Final = Path(__file__).parents[1] / "docs"
REMOVAL: Final = DOCS / "harmonisation_removal.csv"
HAZARD: Final = DOCS / "harmonisation_hazard.csv"
NULL: Final = DOCS / "harmonisation_null.csv"
N_FEATURES: Final = 29
N_SITES: Final = 4
N_AT_SITE: Final = 60
AGE_SLOPE: Final = 0.004
_NOISE: Final = 0.1
# In standard deviations of the noise, and its logarithm: as gross as scanners get.
_SHIFT, _LOG_SPREAD = 1.0, 0.3
# Weights of the connectivity that drives the outcome, over a tenth of the features.
_DRIVING: Final = 3
_EFFECT: Final = 0.8


@dataclass(frozen=True)
class Scanned:
    """Patients of several scanners.

    Attributes
    ----------
    X : ndarray, shape (n, p)
        As measured.
    unaffected : ndarray, shape (n, p)
        As one scanner would have measured everyone.
    """

    X: Array
    unaffected: Array
    y: npt.NDArray[np.bool_]
    site: npt.NDArray[np.str_]
    age: Array

    def of(self, who: npt.NDArray[np.bool_]) -> "Scanned":
        """Return some of the patients."""
        return Scanned(
            self.X[who], self.unaffected[who], self.y[who], self.site[who], self.age[who]
        )


def draw_scanned(
    seed: int,
    *,
    signal: bool = False,
    rates_differ: bool = False,
    ages_differ: bool = False,
    n_at_site: int = N_AT_SITE,
) -> Scanned:
    """Draw patients whose scanners add to connectivity and multiply its spread.

    Parameters
    ----------
    signal : bool
        Whether the outcome depends on connectivity; else on chance, or the site, alone.
    rates_differ : bool
        Whether the outcome is rarer at some sites: by chance of who is referred, or (with signal)
        since their patients' connectivity differs.
    ages_differ : bool
        Whether patients are older at some sites: so that a scanner is easily taken for age.
    """
    rng = np.random.default_rng([20_260_133, seed])
    number = np.repeat(np.arange(N_SITES), n_at_site)
    n = len(number)
    age = rng.uniform(20, 60, n) + 8 * number * ages_differ
    unaffected = 0.2 + AGE_SLOPE * (age[:, None] - 50) + _NOISE * rng.normal(size=(n, N_FEATURES))
    step = np.linspace(-1.0, 1.0, N_SITES)[number] if rates_differ else np.zeros(n)
    if signal:
        unaffected[:, :_DRIVING] += _NOISE * step[:, None]
        driving = (unaffected[:, :_DRIVING] - AGE_SLOPE * (age[:, None] - 50) - 0.2) / _NOISE
        y = rng.random(n) < expit(_EFFECT * driving.sum(axis=1))
    else:
        y = rng.random(n) < expit(3 * step)
    shift = _SHIFT * _NOISE * rng.normal(size=(N_SITES, N_FEATURES))
    spread = np.exp(_LOG_SPREAD * rng.normal(size=(N_SITES, N_FEATURES)))
    expected = 0.2 + AGE_SLOPE * (age[:, None] - 50)
    X = expected + shift[number] + spread[number] * (unaffected - expected)
    return Scanned(X, unaffected, y, np.array([f"site-{k}" for k in number]), age[:, None])


def variance_explained_by_site(X: Array, data: Scanned) -> Array:
    """Return, for each feature, the share of what age leaves that sites explain (adjusted R2)."""
    n = len(X)
    age = np.column_stack([np.ones(n), data.age])
    sites = (data.site[:, None] == np.unique(data.site))[:, 1:]
    left = [_squares(design, X) for design in (age, np.column_stack([age, sites]))]
    degrees = n - 2, n - 2 - sites.shape[1]
    share: Array = 1 - (left[1] / degrees[1]) / (left[0] / degrees[0])
    return share


def site_told(X: Array, data: Scanned) -> float:
    """Return how often a classifier of what age leaves names the site of a held-out patient."""
    age = np.column_stack([np.ones(len(X)), data.age])
    left = X - age @ np.linalg.lstsq(age, X)[0]
    # Spreads tell a scanner as shifts do.
    both = np.column_stack([left, np.abs(left)])
    Z = (both - both.mean(axis=0)) / both.std(axis=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    told = cross_val_score(LogisticRegression(C=0.01), Z, data.site, cv=folds)
    return float(np.mean(told))


def age_slope(X: Array, data: Scanned) -> float:
    """Return the mean slope of features on age, without regard to site."""
    age = np.column_stack([np.ones(len(X)), data.age])
    return float(np.linalg.lstsq(age, X)[0][1].mean())


def removal_table(n_seeds: int) -> pd.DataFrame:
    """Return what is left of sites and of age: as measured, harmonised, and with one scanner.

    Half of 800 patients teach ComBat. Figures are of the other half, and once of those who taught.
    """
    rows = []
    for seed in range(n_seeds):
        data = draw_scanned(seed, ages_differ=True, n_at_site=200)
        taught = np.arange(len(data.y)) % 2 == 0
        adjusted = _combat(data, np.flatnonzero(taught), data.age)
        for name, X, who in (
            ("as measured", data.X, ~taught),
            ("harmonised, the patients who taught ComBat", adjusted, taught),
            ("harmonised, others of their sites", adjusted, ~taught),
            ("one scanner for all", data.unaffected, ~taught),
        ):
            part = data.of(who)
            figures = {
                "variance_explained_by_site": variance_explained_by_site(X[who], part).mean(),
                "site_told": site_told(X[who], part),
                "age_slope": age_slope(X[who], part),
            }
            rows.append({"connectivity": name, **figures})
    return pd.DataFrame(rows).groupby("connectivity", sort=False).mean().reset_index()


def _squares(design: Array, X: Array) -> Array:
    fitted = np.linalg.lstsq(design, X)[0]
    squares: Array = ((X - design @ fitted) ** 2).sum(axis=0)
    return squares


Prepare = Callable[[Scanned, Index], Array]


def _combat(data: Scanned, rows: Index, covariates: Array) -> Array:
    combat = ComBat().fit(data.X[rows], site=data.site[rows], covariates=covariates[rows])
    return combat.transform(data.X, site=data.site, covariates=covariates)


PROCEDURES: Final[dict[str, Prepare]] = {
    "scanners that do not differ": lambda data, _: data.unaffected,
    "no harmonisation": lambda data, _: data.X,
    "ComBat within each fold": lambda data, train: _combat(data, train, data.age),
    "ComBat on everyone, outcome as covariate": lambda data, _: _combat(
        data, np.arange(len(data.y)), np.column_stack([data.age, data.y])
    ),
}


def held_out_auroc(data: Scanned, prepare: Prepare) -> tuple[float, float]:
    """Return the AUROC of held-out patients over all, and its mean within sites."""
    log_odds = np.empty(len(data.y))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for train, test in folds.split(data.X, data.y):
        X = prepare(data, train)
        Z = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
        model = LogisticRegression(C=0.1).fit(Z[train], data.y[train])
        # Each fold's own base rate says nothing of its patients.
        log_odds[test] = model.decision_function(Z[test])
    within = []
    for name in np.unique(data.site):
        own = data.site == name
        if min(data.y[own].sum(), (~data.y[own]).sum()) >= 2:
            within.append(roc_auc_score(data.y[own], log_odds[own]))
    return float(roc_auc_score(data.y, log_odds)), float(np.mean(within))


def hazard_table(n_seeds: int) -> pd.DataFrame:
    """Return the mean AUROC of each procedure, with its standard error over seeds."""
    rows = []
    for signal in (False, True):
        for rates_differ in (False, True):
            drawn = [
                draw_scanned(seed, signal=signal, rates_differ=rates_differ)
                for seed in range(n_seeds)
            ]
            for procedure, prepare in PROCEDURES.items():
                found = np.array([held_out_auroc(data, prepare) for data in drawn])
                errors = found.std(axis=0, ddof=1) / np.sqrt(n_seeds)
                rows.append(
                    {
                        "connectivity_matters": signal,
                        "rates_differ": rates_differ,
                        "procedure": procedure,
                        "auroc": found[:, 0].mean(),
                        "auroc_standard_error": errors[0],
                        "within_site": found[:, 1].mean(),
                        "within_site_standard_error": errors[1],
                    }
                )
    return pd.DataFrame(rows)


def hazard_markdown(frame: pd.DataFrame) -> str:
    """Return the table of `docs/harmonisation.md`."""
    words = {True: "yes", False: "no"}
    lines = [
        "| connectivity matters | rates differ | procedure | AUROC | within sites |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {words[row['connectivity_matters']]} | {words[row['rates_differ']]} "
        f"| {row['procedure']} "
        f"| {row['auroc']:.3f} ({row['auroc_standard_error']:.3f}) "
        f"| {row['within_site']:.3f} ({row['within_site_standard_error']:.3f}) |"
        for row in frame.to_dict("records")
    ]
    return "\n".join(lines)


def removal_markdown(frame: pd.DataFrame) -> str:
    """Return the table of what is left of sites in `docs/harmonisation.md`."""
    lines = [
        "| connectivity | variance explained by site | site told | slope of age |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row['connectivity']} | {100 * row['variance_explained_by_site']:.1f} % "
        f"| {100 * row['site_told']:.0f} % | {row['age_slope']:.4f} |"
        for row in frame.to_dict("records")
    ]
    return "\n".join(lines)


def null_markdown(frame: pd.DataFrame) -> str:
    """Return the sentence on the null scenario in `docs/harmonisation.md`."""
    none, combat, difference = (frame[name] for name in ("none", "combat", "difference"))
    error = difference.std(ddof=1) / np.sqrt(len(frame))
    return (
        f"Over {len(frame)} cohorts the mean AUROC within held-out sites was {none.mean():.4f} "
        f"without and {combat.mean():.4f}\nwith ComBat: a difference of {difference.mean():+.4f}, "
        f"standard error {error:.4f}."
    )
