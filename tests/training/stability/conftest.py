"""One small model with thirty replicates, for the tests of stability."""

import pytest
from cohort_tables import quick_config, simulated_table
from stability_study import StabilityStudy, make_stability_study


@pytest.fixture(scope="session")
def study() -> StabilityStudy:
    """A model of 400 patients whose response depends on failed trials."""
    new = simulated_table(n=300, seed=9).X
    return make_stability_study(simulated_table(n=400), new, quick_config(), n_replicates=30)
