"""Held-out predictions for tests, drawn from a known signal."""

import numpy as np
import pandas as pd
from scipy.special import expit

BOTH, CLINICAL = "lightgbm_both", "lightgbm_clinical"


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
