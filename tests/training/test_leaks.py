"""Each classic leak is planted, every alarm listens; `docs/leaks.md` says which of them ring."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohort_tables import minimal_spec, quick_config, simulated_table
from planted_leaks import Study, studies

from data_schemas.cohort_sections import ExtraMeasurement
from serving.model_document import ModelDocument
from training.checks.run import run_checks
from training.cohort.records import Cohort
from training.dataset import TrainingTable
from training.isolation import (
    check_duplicates_apart,
    check_fold_isolation,
    check_patients_apart,
)
from training.isolation.folds import Fit
from training.learning.fit import fit_predictor
from training.learning.models import LIGHTGBM_CLINICAL, LOGISTIC_CLINICAL, probability
from training.learning.rows import BoolArray, FloatArray, IntArray, SiteArray
from training.learning.splits import REPEATED_NESTED_CV, Split, outer_splits
from training.learning.validation import compared_models, validate
from training.performance.evaluation import evaluate

PAGE = Path(__file__).parents[2] / "docs" / "leaks.md"
STUDIES = dict(studies())
# Those that speak of leaks; the others speak of the cohort.
LEAK_CODES = {"TMS003", "TMS006", "TMS010", "TMS011", "TMS012", "TMS013"}
CONFIG = quick_config()


def documented() -> dict[str, dict[str, str]]:
    """Return the table of the page: leak to column to cell."""
    lines = re.findall(r"^\| (.*)\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    header, *rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    return {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rows}


def listed(found: object) -> str:
    """Return what rings as the page writes it."""
    return ", ".join(f"`{name}`" for name in sorted(found)) or "silent"  # type: ignore[call-overload]


@cache
def document() -> ModelDocument:
    table = simulated_table(n=120)
    predictor = fit_predictor(
        table, minimal_spec(), CONFIG, served=LIGHTGBM_CLINICAL, fingerprint="f" * 64
    )
    return predictor.document


def codes_found(study: Study) -> set[str]:
    """Return the codes of the checks of a run that was judged by the study's own script."""
    predicted = [(split, study.held_out_log_odds(split)) for split in study.splits()]
    frame = pd.concat(
        pd.DataFrame(
            {
                "row": split.test, "site": study.table.site[split.test], "repeat": 0,
                "fold": split.fold, "y": study.table.y[split.test].astype(int),
                "model": LOGISTIC_CLINICAL, "probability": probability(log_odds),
            }
        )
        for split, log_odds in predicted
    )  # fmt: skip
    evaluation = evaluate(frame, REPEATED_NESTED_CV, bootstraps=100, confidence=0.95, seed=1)
    extra = {
        feature.name: ExtraMeasurement(
            column="t.x",
            label=feature.label,
            unit="points",
            minimum=-9,
            maximum=9,
            meaning="Rated by the patient at week 1",
        )
        for feature in study.table.features
        if feature.name == "mood_rating"
    }
    spec = minimal_spec(extra=extra)
    cohort = Cohort(
        name="leaky", spec=spec, members=(), flow=(), issues=(), fingerprint="f" * 64,
        simulated=True,
    )  # fmt: skip
    findings = run_checks(
        cohort, study.table, evaluation, [LOGISTIC_CLINICAL], document(), config=CONFIG.checks
    )
    return {finding.code for finding in findings} & LEAK_CODES


def test_the_page_lists_every_leak() -> None:
    assert list(documented()) == list(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_isolation_rings_as_the_page_says(name: str) -> None:
    study = STUDIES[name]
    table = study.table
    report = check_fold_isolation(study.fit, table.X, table.y, table.site, study.splits()[:1])
    assert listed(report.what) == documented()[name]["altered held-out rows"]


@pytest.mark.parametrize("name", STUDIES)
def test_patients_and_duplicates_ring_as_the_page_says(name: str) -> None:
    study = STUDIES[name]
    found = {
        *check_patients_apart(study.splits(), study.patient).what,
        *check_duplicates_apart(study.table.X, study.splits()).what,
    }
    assert listed(found) == documented()[name]["patients and rows apart"]


@pytest.mark.parametrize("name", STUDIES)
def test_coded_checks_ring_as_the_page_says(name: str) -> None:
    assert listed(codes_found(STUDIES[name])) == documented()[name]["checks of a run"]


@pytest.mark.parametrize("name", [name for name in STUDIES if not name.startswith("Nothing")])
def test_every_leak_has_an_alarm(name: str) -> None:
    assert any("`" in cell for cell in documented()[name].values())


def shipped(table: TrainingTable) -> Fit:
    """Return the pipeline that ships as a fit: every model, by the digests that it gives itself."""
    models = compared_models(table, too_few=False)

    def fit(
        X: FloatArray, y: BoolArray, site: SiteArray, train: IntArray, test: IntArray
    ) -> object:
        altered = replace(table, X=X, y=y, site=site)
        results = validate(altered, [Split(0, 0, train, test)], models, CONFIG)
        return [(result.model, result.state_digest, result.settings) for result in results]

    return fit


def test_the_shipped_pipeline_trips_none() -> None:
    table = simulated_table(n=120)
    _, splits = outer_splits(table.y, table.site, minimum_sites=3, folds=3, repeats=1, seed=7)
    report = check_fold_isolation(shipped(table), table.X, table.y, table.site, splits[:1])
    report.assert_isolated()
    check_duplicates_apart(table.X, splits).assert_isolated()
    check_patients_apart(splits, np.arange(len(table.y))).assert_isolated()
