"""What is served means what it says: among further patients the calibration slope is 1.

The boosters' margins are recalibrated out of fold, where each patient is seen by a few boosters
only; what is served is the mean of all of them. This proof looks at what is served, in 20,000
further patients of the same sites. It writes `docs/served_calibration.csv`.

The slope is that of all cohorts together: each cohort's own, weighted by how well it is known. A
plain mean would be that of the cohorts where next to nothing was learned, whose slopes are several
times 1 since their predictions hardly differ.
"""

import numpy as np
import pytest
from nightly_studies import DOCS, repeated, served_calibration

RESULT = DOCS / "served_calibration.csv"
N_SEEDS = 20


@pytest.mark.nightly
def test_the_served_slope_is_one_over_cohorts() -> None:
    frame = repeated(served_calibration, range(N_SEEDS), RESULT)
    # Where the margins say nothing, the base rate is served, and has no slope.
    frame = frame.dropna(subset="slope")
    weights = 1 / frame["standard_error"] ** 2
    pooled = np.average(frame["slope"], weights=weights)
    # From the spread between cohorts, which is far above what 20,000 patients leave open.
    scatter = np.sum((weights * (frame["slope"] - pooled)) ** 2)
    assert abs(pooled - 1) < 2 * np.sqrt(scatter) / np.sum(weights)
