"""What the model attributes to its features, as tidy tables in the folder of a run.

| file                       | a row is                                                          |
|----------------------------|-------------------------------------------------------------------|
| `importance.csv`           | a feature: mean |SHAP|, rank, effect, each with its interval      |
| `importance_by_domain.csv` | a domain: mean |sum of SHAP| with its interval                    |
| `dependence.csv`           | a band of a feature's values: patients, mean SHAP with interval   |
| `interactions.csv`         | a pair of features: mean |SHAP interaction value|                 |

Intervals are the central part of what replicates of the whole pipeline attribute, NaN where a run
has none. No row stands for fewer than twenty patients, and none holds a single patient's value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from features.table import Feature
from training.learning.rows import FloatArray, IntArray
from training.performance.evaluation import write_table
from training.report.explain import Explanations
from training.stability.attribution import (
    N_BANDS,
    Attribution,
    attribute,
    bands_of,
    domain_names,
    explained_rows,
)
from training.stability.cuts import FEWEST_BEYOND_A_CUT, cuts_of
from training.summary import (
    DEPENDENCE_FILE,
    DOMAINS_FILE,
    IMPORTANCE_FILE,
    INTERACTIONS_FILE,
)

N_LEADING: Final = 5
"""Features whose place among the leading ones is followed through the replicates."""


@dataclass(frozen=True)
class Attributions:
    """The four tables of a run; see the head of this module for their rows."""

    importance: pd.DataFrame
    domains: pd.DataFrame
    dependence: pd.DataFrame
    interactions: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write each table into the folder of a run."""
        for name, frame in zip(_FILES, vars(self).values(), strict=True):
            write_table(frame, folder / name)

    @classmethod
    def read(cls, folder: Path) -> "Attributions | None":
        """Read the tables of a run; None where it has none, as one whose model has no signal."""
        if not all((folder / name).is_file() for name in _FILES):
            return None
        return cls(*(pd.read_csv(folder / name) for name in _FILES))


_FILES: Final = (IMPORTANCE_FILE, DOMAINS_FILE, DEPENDENCE_FILE, INTERACTIONS_FILE)


def attributions_of(
    explanations: Explanations,
    features: Sequence[Feature],
    interactions: pd.DataFrame,
    replicates: Attribution | None,
    level: float,
) -> Attributions:
    """Return the tables of a model.

    Parameters
    ----------
    explanations : Explanations
        Of the training patients.
    features : sequence of Feature, length p
        Of the columns, in order.
    interactions : DataFrame
        From `training.report.interactions.interaction_table`.
    replicates : Attribution or None
        What each replicate attributes, along the first axis.
    level : float
        Of the intervals, such as 0.95.
    """
    asked = explained_rows(len(explanations.X))
    phi, X = explanations.contributions[asked], explanations.X[asked]
    domains = [feature.domain for feature in features]
    served = attribute(phi, X, domains)
    drawn = replicates or _none(served)
    return Attributions(
        importance=_importance(features, served, drawn, level),
        domains=_domains(domains, served, drawn, level),
        dependence=_dependence(features, served, drawn, X, level),
        interactions=interactions,
    )


def _none(served: Attribution) -> Attribution:
    """Return the attributions of no replicates."""
    return Attribution(**{name: np.empty((0, *of.shape)) for name, of in vars(served).items()})


def _ends(drawn: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Return the central part over the first axis; NaN where it is empty."""
    if not len(drawn):
        nothing = np.full(drawn.shape[1:], np.nan)
        return nothing, nothing
    lower, upper = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return lower, upper


def _importance(
    features: Sequence[Feature], served: Attribution, drawn: Attribution, level: float
) -> pd.DataFrame:
    lower, upper = _ends(drawn.size, level)
    effect_lower, effect_upper = _ends(drawn.effect, level)
    # A replicate that found no signal ranks nothing.
    ranks = ranks_of(drawn.size[drawn.size.any(axis=1)])
    rank_lower, rank_upper = _ends(ranks, level)
    leading = np.sum(ranks <= N_LEADING, axis=0) / max(len(drawn.size), 1)
    frame = pd.DataFrame(
        {
            "feature": [feature.name for feature in features],
            "domain": [feature.domain for feature in features],
            "mean_absolute_log_odds": served.size,
            "lower": lower,
            "upper": upper,
            "rank": ranks_of(served.size[None, :])[0],
            "rank_lower": rank_lower,
            "rank_upper": rank_upper,
            "share_among_first": leading if len(drawn.size) else np.nan,
            "effect_log_odds": served.effect,
            "effect_lower": effect_lower,
            "effect_upper": effect_upper,
        }
    )
    return frame.sort_values(["rank", "feature"], ignore_index=True)


def ranks_of(size: FloatArray) -> FloatArray:
    """Return each feature's rank in each row, 1 for the largest; equals share the mean rank."""
    return pd.DataFrame(-size).rank(axis=1).to_numpy(dtype=np.float64).reshape(size.shape)


def _domains(
    domains: Sequence[str], served: Attribution, drawn: Attribution, level: float
) -> pd.DataFrame:
    names = domain_names(domains)
    lower, upper = _ends(drawn.domain_size, level)
    frame = pd.DataFrame(
        {
            "domain": names,
            "n_features": [domains.count(name) for name in names],
            "mean_absolute_log_odds": served.domain_size,
            "lower": lower,
            "upper": upper,
        }
    )
    return frame.sort_values(
        ["mean_absolute_log_odds", "domain"], ascending=[False, True], ignore_index=True
    )


def _dependence(
    features: Sequence[Feature],
    served: Attribution,
    drawn: Attribution,
    X: FloatArray,
    level: float,
) -> pd.DataFrame:
    lower, upper = _ends(drawn.band_mean, level)
    frames = []
    for column, feature in enumerate(features):
        values, bands = X[:, column], bands_of(X[:, column])
        count = np.bincount(bands, minlength=N_BANDS)
        shown = np.flatnonzero(count >= FEWEST_BEYOND_A_CUT).tolist()
        frames.append(
            pd.DataFrame(
                {
                    "feature": feature.name,
                    "mean_value": [_mean_value(values, bands, band) for band in shown],
                    **_edges(values, bands, shown),
                    "n": count[shown],
                    "log_odds": served.band_mean[column, shown],
                    "lower": lower[column, shown],
                    "upper": upper[column, shown],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _mean_value(values: FloatArray, bands: IntArray, band: int) -> float:
    """Return the mean value in a band; NaN for the band of those in whom it is unknown."""
    return float(np.mean(values[bands == band]))


def _edges(values: FloatArray, bands: IntArray, shown: Sequence[int]) -> dict[str, FloatArray]:
    """Return where each band begins and ends; NaN for the band of unknown values.

    An outer band has no end of its own, which would be a patient's value: it reaches as far beyond
    its mean as the cut lies before it.
    """
    cuts = cuts_of(values[~np.isnan(values)])
    known = [band for band in shown if band != N_BANDS - 1]
    ends = np.full((2, len(shown)), np.nan)
    if known:
        first, last = (_mean_value(values, bands, band) for band in (known[0], known[-1]))
        inner = cuts if len(cuts) else np.array([first])
        outer = [min(2 * first - inner[0], inner[0]), max(2 * last - inner[-1], inner[-1])]
        edges = np.array([outer[0], *cuts, outer[1]])
        ends[:, : len(known)] = edges[:-1], edges[1:]
    return {"from": ends[0], "to": ends[1]}
