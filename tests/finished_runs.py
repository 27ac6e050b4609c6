"""The folder of a finished run, made by the functions that training uses, for tests."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from cohort_tables import minimal_spec, quick_config

from data_schemas.cohort import CohortSpec
from serving.predictor import ResponsePredictor
from training.cohort.records import Cohort, CohortIssue, FlowStep
from training.config import TrainingConfig
from training.dataset import TrainingTable
from training.engine.engines import LocalEngine
from training.external import ExternalPatients
from training.run import make_run, write_run
from training.summary import RunSummary
from training.workshop import Workshop


@dataclass(frozen=True)
class FinishedRun:
    """What the tests want to know of a run beside its folder."""

    folder: Path
    table: TrainingTable
    predictor: ResponsePredictor
    evaluation: pd.DataFrame
    summary: RunSummary


def write_finished_run(
    folder: Path,
    table: TrainingTable,
    *,
    spec: CohortSpec | None = None,
    config: TrainingConfig | None = None,
    issues: tuple[CohortIssue, ...] = (),
    external: ExternalPatients | None = None,
) -> FinishedRun:
    """Train and judge on a table, and write all that the report reads."""
    spec, config = spec or minimal_spec(), config or quick_config()
    flow = (
        FlowStep("listed in t.csv", len(table.y) + 9),
        FlowStep("HDRS-17 known before and after", len(table.y), 9),
    )
    cohort = Cohort(spec.name, spec, (), flow, issues, "f" * 64, simulated=spec.simulated)
    workshop = Workshop(config, LocalEngine(), None, lambda _stage, _done, _total: None)
    made = make_run(cohort, table, external, workshop)
    folder.mkdir(parents=True, exist_ok=True)
    summary = write_run(folder, cohort, table, made, config)
    return FinishedRun(folder, table, made.predictor, made.evaluation, summary)
