"""Four finished runs with their reports: simulated, real, with too few patients, without signal."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from cohort_tables import minimal_spec, quick_config, simulated_table, with_bystanders
from finished_runs import FinishedRun, write_finished_run

from data_schemas.cohort_sections import Arms
from training.cohort.records import CohortIssue
from training.config import BurdenCosts
from training.dataset import TrainingTable
from training.external import ExternalPatients
from training.report.build import build_report
from training.summary import ConnectomeCounts, MotionGroup

COSTS = BurdenCosts(session=180, next_step=1200, next_step_rate=0.2, currency="EUR")
TRAINED_ON_ACTIVE = Arms(column="t.arm", active=("a",), sham=("s",))


def planted(table: TrainingTable) -> TrainingTable:
    """Give every patient a value that would be recognised anywhere."""
    X = table.X.copy()
    names = [feature.name for feature in table.features]
    X[:, names.index("age_years")] = 20.0625 + np.arange(len(X)) * 0.4375
    X[:, names.index("depression_severity")] += np.arange(len(X)) * 1e-7
    return replace(table, X=X)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    table = with_bystanders(planted(simulated_table(signal=1.5)))
    table = replace(
        table,
        connectomes=ConnectomeCounts(
            n_read=99,
            n_accepted=96,
            refused={"the head moved": 3},
            motion=(
                MotionGroup(reached=True, n_patients=36, mean_mm=0.1253, sd_mm=0.0617),
                MotionGroup(reached=False, n_patients=60, mean_mm=0.1749, sd_mm=0.0829),
            ),
            target_profile={"Vis": -0.0543, "Default": 0.2961},
        ),
        started=np.datetime64("2024-01-01") + np.arange(len(table.y)),
    )
    further = simulated_table(60, signal=1.5, seed=5)
    elsewhere = ExternalPatients(
        name="Further clinics", description="Adults elsewhere", fingerprint="e" * 64,
        X=further.X, y=further.y, site=further.site, has_connectome=further.has_connectome,
        unknown=with_bystanders(further, n_sham=0, n_unknown=12).bystanders,
    )  # fmt: skip
    spec = minimal_spec(name="Clinics <b>& co</b>", arms=TRAINED_ON_ACTIVE)
    issues = (CohortIssue("warning", "made_up", "t.csv", "The <patients> are simulated."),)
    config = quick_config()
    given = config.burden.model_copy(update={"sessions_in_a_course": 30, "costs": COSTS})
    config = config.model_copy(update={"burden": given})
    return finished(
        tmp_path_factory, table, spec=spec, config=config, issues=issues, external=elsewhere
    )


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    table = planted(simulated_table(n=120, n_sites=1, signal=1.5, scanned=0))
    treatment = minimal_spec().treatment.model_copy(
        update={"is_tms": False, "description": "a computer programme"}
    )
    both = TRAINED_ON_ACTIVE.model_copy(update={"train_on": ("active", "sham")})
    spec = minimal_spec(simulated=False, treatment=treatment, arms=both)
    return finished(tmp_path_factory, table, spec=spec)


@pytest.fixture(scope="session")
def too_few(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    table = simulated_table(n=26, n_sites=1, scanned=0)
    table = replace(table, y=np.isin(np.arange(26), [1, 5, 9, 13, 20, 22]))
    spec = minimal_spec(simulated=False, arms=TRAINED_ON_ACTIVE)
    return finished(tmp_path_factory, table, spec=spec)


@pytest.fixture(scope="session")
def no_signal(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    # Half of all null cohorts have a slope of 0; this is one of them.
    table = simulated_table(n=120, n_sites=4, signal=0, scanned=0, seed=5)
    return finished(tmp_path_factory, table)


def finished(
    tmp_path_factory: pytest.TempPathFactory, table: TrainingTable, **choices: object
) -> FinishedRun:
    make: Callable[..., FinishedRun] = write_finished_run
    run = make(tmp_path_factory.mktemp("run"), table, **choices)
    build_report(run.folder)
    return run


@pytest.fixture(params=["simulated", "real", "too_few", "no_signal"])
def run(request: pytest.FixtureRequest) -> FinishedRun:
    found: FinishedRun = request.getfixturevalue(request.param)
    return found
