"""What is served means what it says: among further patients the calibration slope is 1 on average.

The boosters' margins are recalibrated out of fold, where each patient is seen by a few boosters
only; what is served is the mean of all of them. This proof looks at what is served. The result is
committed as `docs/served_calibration.csv` and rewritten by it.
"""

import numpy as np
import pytest
from nightly_studies import DOCS, repeated, served_calibration

RESULT = DOCS / "served_calibration.csv"
N_SEEDS = 20


@pytest.mark.nightly
def test_the_served_slope_is_one_on_average() -> None:
    frame = repeated(served_calibration, range(N_SEEDS), RESULT)
    # Where the margins say nothing, the base rate is served, and has no slope.
    slopes = frame["slope"].dropna()
    standard_error = slopes.std(ddof=1) / np.sqrt(len(slopes))
    assert abs(slopes.mean() - 1) < 2 * standard_error
