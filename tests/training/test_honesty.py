"""No model may know more than the simulator's oracle, and the alarm that says so must ring."""

from dataclasses import replace

import numpy as np
import pytest
from cohort_tables import quick_config
from oracle_bound import N_TEST, knows_too_much, leaked_column, rows_of
from sklearn.metrics import roc_auc_score

from training.learning.models import fit_boosted
from training.learning.rows import FloatArray, TrainingRows
from training.simulator.draw import draw_patients
from training.simulator.oracle import response_probability

N_PATIENTS = 1500


@pytest.fixture(scope="module", params=["null", "conservative", "elbau", "optimistic"])
def drawn(request: pytest.FixtureRequest) -> tuple[TrainingRows, TrainingRows, FloatArray]:
    """Return patients to learn from, further ones of other sites, and the oracle for these."""
    cohort = draw_patients(N_PATIENTS, request.param, seed=3, n_sites=8)
    further = draw_patients(N_TEST, request.param, seed=4, n_sites=8)
    return rows_of(cohort), rows_of(further), response_probability(further)


def with_leak(rows: TrainingRows, auroc: float, seed: int) -> TrainingRows:
    """Return the rows with one more column, which tells outcomes apart with that AUROC."""
    column = leaked_column(rows.y, auroc, seed)
    return replace(rows, X=np.column_stack([rows.X, column]), monotone=(*rows.monotone, 0))


def test_held_out_auroc_never_beats_the_oracle(
    drawn: tuple[TrainingRows, TrainingRows, FloatArray],
) -> None:
    cohort, held_out, oracle = drawn
    log_odds = fit_boosted(cohort, quick_config()).log_odds(held_out.X)
    assert not knows_too_much(log_odds, held_out.y, oracle)
    # It learned something all the same, or the check above would be empty.
    assert roc_auc_score(held_out.y, log_odds) > 0.53


def test_the_alarm_rings_for_a_column_made_from_the_outcome(
    drawn: tuple[TrainingRows, TrainingRows, FloatArray],
) -> None:
    cohort, held_out, oracle = drawn
    leaky = fit_boosted(with_leak(cohort, 0.72, seed=0), quick_config())
    log_odds = leaky.log_odds(with_leak(held_out, 0.72, seed=1).X)
    assert knows_too_much(log_odds, held_out.y, oracle)


def test_a_faint_leak_is_beyond_the_oracle(
    drawn: tuple[TrainingRows, TrainingRows, FloatArray],
) -> None:
    cohort, held_out, oracle = drawn
    leaky = fit_boosted(with_leak(cohort, 0.53, seed=0), quick_config())
    log_odds = leaky.log_odds(with_leak(held_out, 0.53, seed=1).X)
    assert not knows_too_much(log_odds, held_out.y, oracle)
