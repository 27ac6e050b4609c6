"""Each check rings for what is planted, and is silent otherwise."""

import numpy as np
import pytest
from check_evidence import MODELS, SITE, WITHIN, Row, evidence, found, quiet_rows

from training.checks.performance_checks import PERFORMANCE_CHECKS
from training.learning.models import BASE_RATE, LIGHTGBM_BOTH, LIGHTGBM_CLINICAL

NAN = float("nan")
AUROC: Row = (LIGHTGBM_BOTH, WITHIN, "auroc", 0.64, 0.55, 0.72, 240)


def auroc(value: float, lower: float, upper: float, split: str = WITHIN) -> Row:
    return (LIGHTGBM_BOTH, split, "auroc", value, lower, upper, 240)


@pytest.mark.parametrize("code", [check.code for check in PERFORMANCE_CHECKS])
def test_a_quiet_run_rings_nothing_but_the_note_on_the_best_model(code: str) -> None:
    said = found(code, evidence())
    assert bool(said) == (code == "TMS035")


@pytest.mark.parametrize(("value", "rings"), [(0.79, False), (0.80, True), (0.97, True)])
def test_an_implausible_auroc_of_any_model_rings(value: float, rings: bool) -> None:
    row: Row = (LIGHTGBM_CLINICAL, WITHIN, "auroc", value, value - 0.1, 0.99, 240)
    said = found("TMS006", evidence(row))
    assert bool(said) == rings
    assert all("LightGBM, clinical reaches" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("lower", "upper", "words"),
    [
        (0.4, 0.9, "too extreme"),
        (1.1, 1.9, "too close to the base rate"),
        (0.9, 1.1, ""),
        (NAN, NAN, ""),
    ],
)
def test_a_slope_away_from_one_rings(lower: float, upper: float, words: str) -> None:
    row: Row = (LIGHTGBM_BOTH, WITHIN, "calibration_slope", 0.7, lower, upper, 240)
    said = found("TMS007", evidence(row))
    assert bool(said) == bool(words)
    assert all(words in sentence for sentence in said)


def test_a_base_rate_that_is_the_most_accurate_rings() -> None:
    rows = [
        (m, SITE, "brier", b, b, b, 240) for m, b in zip(MODELS, (0.23, 0.24, 0.25), strict=True)
    ]
    beaten = evidence(*rows)
    assert found("TMS014", beaten) == [
        "No model predicts held-out patients better than giving everyone the base rate."
    ]
    assert "Base rate has the smallest" in found("TMS035", beaten)[0]
    for lower, upper, words in (
        (-0.004, 0.002, "not shown to differ"),
        (0.001, 0.004, "less accurate"),
        (-0.004, -0.001, ""),
    ):
        pair = f"{LIGHTGBM_BOTH} - {BASE_RATE}"
        middle = (lower + upper) / 2
        run = evidence(*rows, (pair, SITE, "brier", middle, lower, upper, 240))
        said = found("TMS014", run)
        assert bool(said) == bool(words)
        assert all(words in sentence for sentence in said)
        assert words in found("TMS035", run)[0]
    assert found("TMS035", evidence(*rows[:2])) == []


@pytest.mark.parametrize(
    ("interval", "chance", "useless"),
    [
        ((0.55, 0.72), False, False),
        ((0.48, 0.70), True, False),
        ((0.45, 0.60), True, True),
        ((0.51, 0.60), False, True),
        ((NAN, NAN), False, False),
    ],
)
def test_chance_and_uselessness_are_read_from_the_interval(
    interval: tuple[float, float], chance: bool, useless: bool
) -> None:
    run = evidence(auroc(0.55, *interval))
    assert bool(found("TMS015", run)) == chance
    assert bool(found("TMS016", run)) == useless


@pytest.mark.parametrize(("lower", "rings"), [(0.45, True), (0.52, False)])
def test_a_further_site_that_may_see_nothing_rings(lower: float, rings: bool) -> None:
    ahead: Row = (LIGHTGBM_BOTH, WITHIN, "auroc_prediction_interval", 0.64, lower, 0.8, 240)
    assert bool(found("TMS017", evidence(AUROC, ahead))) == rings
    # Where chance is not even excluded on average, that is what there is to say.
    assert found("TMS017", evidence(auroc(0.6, 0.49, 0.7), ahead)) == []


@pytest.mark.parametrize(("p", "rings"), [(0.049, False), (0.05, True), (0.6, True)])
def test_a_permuted_outcome_that_is_predicted_as_well_rings(p: float, rings: bool) -> None:
    row: Row = (LIGHTGBM_BOTH, "permutation", "auroc_p", p, p, p, 240)
    assert bool(found("TMS037", evidence(AUROC, row))) == rings


@pytest.mark.parametrize(("share", "rings"), [(0.05, False), (0.2, True)])
def test_draws_that_teach_nothing_ring(share: float, rings: bool) -> None:
    row: Row = (LIGHTGBM_BOTH, "stability", "share_without_signal", share, 0.0, 0.5, 240)
    assert bool(found("TMS039", evidence(AUROC, row))) == rings


@pytest.mark.parametrize(
    ("lower", "upper", "rings"),
    [
        (0.3, 0.79, True),
        (1.26, 1.6, True),
        (0.3, 0.81, False),
        (1.2, 1.6, False),
        (NAN, NAN, False),
    ],
)
def test_a_site_that_is_promised_too_much_or_too_little_rings(
    lower: float, upper: float, rings: bool
) -> None:
    row: Row = (LIGHTGBM_BOTH, f"{SITE}/site=hill", "o_to_e", 0.6, lower, upper, 60)
    said = found("TMS040", evidence(AUROC, row))
    assert bool(said) == rings
    assert all(sentence.startswith("At hill, 0.60") for sentence in said)


def test_rows_of_another_outcome_are_not_looked_at() -> None:
    run = evidence()
    other = evidence(auroc(0.97, 0.9, 0.99)).evaluation.assign(outcome="remission")
    own = run.evaluation.assign(outcome="response")
    both = type(run)(run.cohort, run.table, other, run.models, run.document)
    assert found("TMS006", both) == []
    alike = type(run)(run.cohort, run.table, own, run.models, run.document)
    assert found("TMS035", alike) == found("TMS035", run)


def test_curves_are_no_estimates() -> None:
    run = evidence(*quiet_rows())
    curve = run.evaluation.assign(threshold=0.5, metric="auroc", estimate=0.99, lower=0.98, upper=1)
    at_thresholds = type(run)(run.cohort, run.table, curve, run.models, run.document)
    assert found("TMS006", at_thresholds) == []


def test_folds_of_single_patients_have_their_own_rows() -> None:
    split = "repeated_nested_cv"
    run = evidence(auroc(0.9, 0.85, 0.95, split))
    assert run.split == split
    assert len(found("TMS006", run)) == 1


def test_where_only_the_base_rate_is_served_the_last_model_is_judged() -> None:
    run = evidence(models=(BASE_RATE, "logistic_clinical"))
    assert run.model == "logistic_clinical"
    assert np.isnan(run.scalars["threshold"]).all()
