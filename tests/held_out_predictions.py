"""Held-out predictions for tests, drawn from a known signal."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import expit

from training.performance.evaluation import evaluate

BOTH, CLINICAL = "lightgbm_both", "lightgbm_clinical"
LOSO, CV = "leave_one_site_out", "repeated_nested_cv"
WITHIN = f"{LOSO}/within_site"


def predictions(
    n: int = 160, *, n_sites: int = 4, repeats: int = 1, by_site: bool = True, seed: int = 0
) -> pd.DataFrame:
    """Return held-out predictions of the base rate and of two models, one better by far."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=n)
    y = (rng.random(n) < expit(signal)).astype(int)
    site = rng.integers(n_sites, size=n)
    noise = rng.normal(size=n)
    frames = []
    for repeat in range(repeats):
        fold = site if by_site else rng.permutation(n) % 5
        base_rate = [y[fold != code].mean() for code in fold]
        wobble = 0.2 * rng.normal(size=n)
        found = {
            "base_rate": np.array(base_rate),
            CLINICAL: expit(0.2 * signal + 0.5 * noise + wobble),
            BOTH: expit(0.8 * signal + 0.2 * noise + wobble),
        }
        frames += [
            pd.DataFrame(
                {
                    "row": np.arange(1, n + 1), "site": np.char.add("site ", site.astype(str)),
                    "has_connectome": np.arange(n) % 2 == 0, "repeat": repeat, "fold": fold,
                    "y": y, "model": model, "probability": p,
                }
            )
            for model, p in found.items()
        ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def judged(
    frame: pd.DataFrame,
    split: str = LOSO,
    *,
    bootstraps: int = 60,
    confidence: float = 0.95,
    seed: int = 7,
    thresholds: tuple[float, ...] = (),
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Evaluate with few bootstraps."""
    return evaluate(
        frame, split, bootstraps=bootstraps, confidence=confidence, seed=seed,
        thresholds=thresholds, progress=progress,
    )  # fmt: skip


def rows(table: pd.DataFrame, model: str, split: str, metric: str) -> pd.DataFrame:
    """Return the rows of one metric, in the order of thresholds."""
    chosen = (table["model"] == model) & (table["split"] == split) & (table["metric"] == metric)
    return table[chosen]


def estimate(table: pd.DataFrame, model: str, split: str, metric: str) -> float:
    """Return the one estimate of a metric."""
    found = rows(table, model, split, metric)
    assert len(found) == 1
    return float(found["estimate"].iloc[0])
