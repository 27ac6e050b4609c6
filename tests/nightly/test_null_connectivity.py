"""In the null scenario connectivity says nothing, and the pipeline must find just that.

The whole road is taken, files included, for 50 cohorts. The result is committed as
`docs/null_connectivity.csv` and rewritten by this proof.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from training.cohort.read import read_cohort
from training.config import load_config
from training.dataset import build_table
from training.engine.engines import LocalEngine
from training.learning.models import LIGHTGBM_CONNECTIVITY
from training.learning.splits import outer_splits
from training.learning.validation import validate
from training.simulator.writer import simulate

RESULT = Path(__file__).parents[2] / "docs" / "null_connectivity.csv"
N_SEEDS = 50


def mean_within_site_auroc(folder: Path, seed: int) -> tuple[float, int]:
    """Return the mean AUROC over sites with 5 scanned patients of either outcome, and how many."""
    config = load_config()
    simulate(folder, scenario="null", seed=seed)
    table = build_table(read_cohort(folder), config)
    _, splits = outer_splits(
        table.y, table.site, minimum_sites=3, folds=5, repeats=1, seed=config.seed
    )
    aurocs = []
    for result in validate(table, splits, [LIGHTGBM_CONNECTIVITY], config, engine=LocalEngine(2)):
        scanned = table.has_connectome[result.split.test]
        y = table.y[result.split.test][scanned]
        if min(y.sum(), (~y).sum()) >= 5:
            aurocs.append(roc_auc_score(y, result.log_odds[scanned]))
    return float(np.mean(aurocs)), len(aurocs)


@pytest.mark.nightly
def test_connectivity_alone_is_no_better_than_chance(tmp_path: Path) -> None:
    rows = []
    for seed in range(N_SEEDS):
        auroc, n_sites = mean_within_site_auroc(tmp_path / "cohort", seed)
        rows.append({"seed": seed, "mean_within_site_auroc": auroc, "n_sites": n_sites})
    frame = pd.DataFrame(rows)
    frame.to_csv(RESULT, index=False, lineterminator="\n", float_format="%.6f")
    aurocs = frame["mean_within_site_auroc"]
    standard_error = aurocs.std(ddof=1) / np.sqrt(N_SEEDS)
    assert abs(aurocs.mean() - 0.5) < 2 * standard_error
