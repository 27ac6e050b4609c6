"""Evidence of made-up runs, into which the tests of the checks plant what they look for."""

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import pandas as pd
from cohort_tables import minimal_spec, quick_config, simulated_table

from data_schemas.outcome import Outcome, OutcomeKind
from data_schemas.patient import Patient
from serving.model_document import ModelDocument
from training.checks.evidence import Evidence
from training.checks.run import ALL_CHECKS
from training.cohort.records import Cohort, CohortMember
from training.dataset import TrainingTable
from training.learning.fit import fit_predictor
from training.learning.models import BASE_RATE, LIGHTGBM_BOTH, LIGHTGBM_CLINICAL

MODELS = (BASE_RATE, LIGHTGBM_CLINICAL, LIGHTGBM_BOTH)
SITE = "leave_one_site_out"
WITHIN = "leave_one_site_out/within_site"
COLUMNS = ["model", "split", "metric", "threshold", "estimate", "lower", "upper", "n"]

# Model, split, metric, estimate, lower, upper, n.
Row = tuple[str, str, str, float, float, float, int]


@cache
def quiet_table() -> TrainingTable:
    """Return 240 patients at four sites whose predictors say little."""
    return simulated_table(signal=0.2, seed=3)


@cache
def quiet_document() -> ModelDocument:
    """Return the document of a model of them."""
    return fit_predictor(
        quiet_table(), minimal_spec(), quick_config(), served=LIGHTGBM_BOTH, fingerprint="f"
    ).document


def document(**changes: object) -> ModelDocument:
    """Return that document with other content."""
    return quiet_document().model_copy(update=changes)


def document_for(kind: OutcomeKind) -> ModelDocument:
    """Return that document for another outcome."""
    return document(outcome=minimal_spec().outcome.definition(kind))


def rows(*planted: Row) -> pd.DataFrame:
    """Return an evaluation table of just these rows."""
    return pd.DataFrame([(*row[:3], np.nan, *row[3:]) for row in planted], columns=COLUMNS)


def quiet_rows() -> list[Row]:
    """Return the rows of a run of which nothing is to be said but which model is best."""
    brier: list[Row] = [
        (model, SITE, "brier", score, score - 0.01, score + 0.01, 240)
        for model, score in zip(MODELS, (0.25, 0.24, 0.23), strict=True)
    ]
    return [
        *brier,
        *((model, WITHIN, "auroc", 0.64, 0.55, 0.72, 240) for model in MODELS[1:]),
        (LIGHTGBM_BOTH, WITHIN, "calibration_slope", 0.9, 0.6, 1.2, 240),
        (f"{LIGHTGBM_BOTH} - {LIGHTGBM_CLINICAL}", WITHIN, "auroc", 0.05, 0.01, 0.09, 96),
    ]


def cohort(
    members: Sequence[CohortMember] = (), issues: Iterable[object] = (), **spec: object
) -> Cohort:
    """Return a cohort of these members whose spec differs so from the minimal one."""
    whole = minimal_spec(**{"simulated": False, **spec})
    return Cohort("made up", whole, tuple(members), (), tuple(issues), "f", whole.simulated)  # type: ignore[arg-type]


def members(
    n: int, *, site: str | None = "site-0", lost: int = 0, baseline: float = 24
) -> list[CohortMember]:
    """Return patients of one site, the first of whom have no outcome."""
    return [
        CohortMember(
            id=f"{site}-{number}",
            patient=Patient(site=site),
            outcome=None
            if number < lost
            else Outcome(
                instrument="HDRS-17", baseline_total=baseline + number % 5, final_total=10
            ),
        )
        for number in range(n)
    ]


def evidence(
    *planted: Row,
    table: TrainingTable | None = None,
    of: Cohort | None = None,
    models: tuple[str, ...] = MODELS,
    doc: ModelDocument | None = None,
) -> Evidence:
    """Return the evidence of a run with these rows, or with quiet ones where none are given."""
    return Evidence(
        cohort=of or cohort(),
        table=table or quiet_table(),
        evaluation=rows(*(planted or quiet_rows())),
        models=models,
        document=doc or quiet_document(),
    )


def found(code: str, of: Evidence) -> list[str]:
    """Return what the check of that code says."""
    (check,) = (check for check in ALL_CHECKS if check.code == code)
    return list(check.find(of))
