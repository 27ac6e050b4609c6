"""Harmonisation adds nothing where connectivity says nothing: it must not make signal of sites.

The results are committed as `docs/harmonisation_*.csv` and rewritten by these proofs; the page
`docs/harmonisation.md` shows them.
"""

import numpy as np
import pytest
from nightly_studies import DOCS, null_harmonisation, repeated
from scanner_study import HAZARD, REMOVAL, hazard_table, removal_table

N_SEEDS = 20


@pytest.mark.nightly
def test_combat_adds_no_auroc_in_the_null_scenario() -> None:
    frame = repeated(null_harmonisation, range(N_SEEDS), DOCS / "harmonisation_null.csv")
    difference = frame["difference"]
    standard_error = difference.std(ddof=1) / np.sqrt(N_SEEDS)
    assert abs(difference.mean()) < 2 * standard_error
    aurocs = frame["combat"]
    assert abs(aurocs.mean() - 0.5) < 2 * aurocs.std(ddof=1) / np.sqrt(N_SEEDS)


@pytest.mark.nightly
def test_figures_of_simulated_scanners() -> None:
    removal, hazard = removal_table(20), hazard_table(40)
    for table, path in ((removal, REMOVAL), (hazard, HAZARD)):
        table.to_csv(path, index=False, lineterminator="\n", float_format="%.6f")
    auroc = hazard.set_index(["connectivity_matters", "rates_differ", "procedure"])["auroc"]
    assert auroc[False, True, "ComBat within each fold"] < 0.52
    assert auroc[False, True, "ComBat on everyone, outcome as covariate"] > 0.55
