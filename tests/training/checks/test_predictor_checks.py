"""Leaks are planted into predictors; each rings its check and no other."""

from dataclasses import replace

import numpy as np
import pytest
from check_evidence import cohort, document_for, evidence, found, quiet_table

from data_schemas.cohort_sections import ExtraMeasurement
from features.table import extra_feature
from training.checks.predictor_checks import PREDICTOR_CHECKS
from training.dataset import TrainingTable
from training.learning.rows import FloatArray

TABLE = quiet_table()
RNG = np.random.default_rng(5)
# Normal scores this far apart have an AUROC of 0.82, as totals of week 3 may have.
APART = 2**0.5 * 0.915


def with_column(column: FloatArray, table: TrainingTable = TABLE) -> TrainingTable:
    """Return the table with one more predictor, called Planted."""
    return replace(
        table,
        X=np.column_stack([table.X, column]),
        features=(*table.features, extra_feature("planted", "Planted", "points")),
    )


def extra(**changes: object) -> ExtraMeasurement:
    whole: dict[str, object] = {
        "column": "t.grip", "label": "Grip", "meaning": "Strength of the hand before treatment",
        "unit": "kg", "minimum": 0, "maximum": 100,
    }  # fmt: skip
    return ExtraMeasurement.model_validate({**whole, **changes})


def rates() -> FloatArray:
    """Return each patient's site's rate of the outcome."""
    return np.array([TABLE.y[TABLE.site == name].mean() for name in TABLE.site])


@pytest.mark.parametrize("code", [check.code for check in PREDICTOR_CHECKS])
def test_quiet_predictors_ring_nothing(code: str) -> None:
    assert found(code, evidence(of=cohort(extra={"grip": extra()}))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"meaning": "Total after treatment"},
        {"meaning": "Total during the course of treatment"},
        {"meaning": "Mood at week 2"},
        {"meaning": "Change from baseline of the walking speed"},
        {"label": "Post-treatment sleep"},
        {"label": "Sessions received"},
        {"label": "Follow-up questionnaire"},
        {"label": "Early improvement"},
        {"unit": "points at session 10"},
        {"column": "t.score_eot"},
        {"column": "t.w3_total"},
    ],
)
def test_descriptions_that_sound_late_ring(changes: dict[str, str]) -> None:
    of = cohort(extra={"grip": extra(**changes)})
    (said,) = found("TMS003", evidence(of=of))
    assert said.startswith("extra.grip speaks of “")
    early = cohort(extra={"grip": extra(**changes, before_treatment=True)})
    assert found("TMS003", evidence(of=early)) == []


@pytest.mark.parametrize(
    "meaning",
    [
        "Total before treatment",
        "Post-traumatic stress, PCL-5",
        "Number of episodes in the last 6 months",
        "Antidepressant at the start of the trial",
        "Total at visit 1",
        "Improvement with earlier TMS, as remembered",
        "Mean framewise displacement during the scan",
    ],
)
def test_descriptions_of_baseline_do_not_ring(meaning: str) -> None:
    of = cohort(extra={"grip": extra(meaning=meaning, column="t.weeks_ill")})
    assert found("TMS003", evidence(of=of)) == []


def test_a_column_measured_late_rings_by_what_it_tells() -> None:
    late = APART * TABLE.y + RNG.normal(size=len(TABLE.y))
    (said,) = found("TMS011", evidence(table=with_column(late)))
    assert said.startswith("“Planted” alone tells outcomes apart with an AUROC of 0.8")
    (said,) = found("TMS011", evidence(table=with_column(-late)))
    assert "Planted" in said


def test_that_a_value_is_missing_may_tell_the_outcome() -> None:
    seen = RNG.random(len(TABLE.y)) < np.where(TABLE.y, 0.95, 0.1)
    column = np.where(seen, RNG.normal(size=len(TABLE.y)), np.nan)
    (said,) = found("TMS011", evidence(table=with_column(column)))
    assert "“Whether it is known: Planted”" in said


def test_the_baseline_total_may_tell_remission_but_not_response() -> None:
    place = [feature.name for feature in TABLE.features].index("depression_severity")
    X = TABLE.X.copy()
    X[:, place] = RNG.normal(size=len(TABLE.y)) - APART * TABLE.y
    table = replace(TABLE, X=X)
    assert found("TMS011", evidence(table=table, doc=document_for("remission"))) == []
    assert len(found("TMS011", evidence(table=table))) == 1


def test_target_encoded_sites_ring() -> None:
    encoded = evidence(table=with_column(rates()))
    assert len(found("TMS012", encoded)) == 1
    assert found("TMS013", encoded) == []


def test_target_encoding_that_leaves_the_patient_out_rings_within_sites() -> None:
    size = np.array([np.count_nonzero(TABLE.site == name) for name in TABLE.site])
    others = (rates() * size - TABLE.y) / (size - 1)
    (said,) = found("TMS011", evidence(table=with_column(others)))
    assert "AUROC of 1.00" in said


def test_a_column_that_names_the_site_rings() -> None:
    names, code = np.unique(TABLE.site, return_inverse=True)
    scrambled = np.array([1.0, 3.0, 0.0, 2.0])[code]
    told = evidence(table=with_column(scrambled))
    (said,) = found("TMS013", told)
    assert f"tells {len(names)} sites apart" in said
    assert found("TMS012", told) == []
    binary = evidence(table=with_column((code % 2).astype(np.float64)))
    assert found("TMS013", binary) == []


@pytest.mark.parametrize("changed", [False, True])
def test_patients_who_are_there_twice_ring(changed: bool) -> None:
    copies = TABLE.X[TABLE.has_connectome][:6].copy()
    copies[:, 0] += changed  # a year older
    table = replace(
        TABLE,
        X=np.vstack([TABLE.X, copies]),
        y=np.concatenate([TABLE.y, TABLE.y[:6]]),
        site=np.concatenate([TABLE.site, TABLE.site[:6]]),
    )
    (said,) = found("TMS010", evidence(table=table))
    assert said.startswith("12 patients at 4 sites are the same")


def test_a_predictor_that_hardly_anybody_has_rings() -> None:
    column = np.full(len(TABLE.y), np.nan)
    assert found("TMS030", evidence(table=with_column(column))) == []
    column[:5] = 1.0
    (said,) = found("TMS030", evidence(table=with_column(column)))
    assert said.endswith("Planted.")


def test_a_predictor_of_some_sites_rings() -> None:
    column = np.where(TABLE.site == "site-1", np.nan, RNG.normal(size=len(TABLE.y)))
    (said,) = found("TMS031", evidence(table=with_column(column)))
    assert said == "Known at some sites and never at others: Planted."


def test_long_lists_are_cut() -> None:
    table = TABLE
    for _ in range(7):
        column = np.full(len(TABLE.y), np.nan)
        column[:5] = 1.0
        table = with_column(column, table)
    (said,) = found("TMS030", evidence(table=table))
    assert said.endswith("Planted; and 2 more.")
