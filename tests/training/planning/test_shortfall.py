"""By how much a trained model misses the criteria."""

import pytest
from check_evidence import SITE, WITHIN, document, rows

from serving.model_document import ModelDocument
from training.learning.models import LIGHTGBM_BOTH
from training.planning.sample_size import r_squared_from_auroc, required_sample
from training.planning.shortfall import shortfall


def trained_on(n_patients: int) -> ModelDocument:
    """Return a model of so many patients, half of whom reached the outcome."""
    population = document().trained_on.model_copy(
        update={"n_patients": n_patients, "n_events": n_patients // 2}
    )
    return document(trained_on=population)


@pytest.mark.parametrize(
    ("measured", "assumed"), [(0.5, 0.65), (0.64, 0.65), (0.72, 0.72), (0.9, 0.8)]
)
def test_the_better_of_expected_and_measured_is_assumed(measured: float, assumed: float) -> None:
    evaluation = rows((LIGHTGBM_BOTH, WITHIN, "auroc", measured, 0.4, 0.95, 400))
    found = shortfall(trained_on(400), evaluation, LIGHTGBM_BOTH)
    needed = required_sample(found.parameters, 0.5, r_squared_from_auroc(assumed, 0.5))
    assert found.auroc == assumed
    assert found.needed == needed.patients
    assert found.missing == needed.patients - 400
    assert f"{found.missing:,} more" in found.sentence()


def test_without_an_auroc_the_expected_one_is_assumed() -> None:
    evaluation = rows((LIGHTGBM_BOTH, SITE, "brier", 0.2, 0.1, 0.3, 400))
    assert shortfall(trained_on(400), evaluation, LIGHTGBM_BOTH).auroc == 0.65


def test_enough_patients_fall_short_of_nothing() -> None:
    found = shortfall(trained_on(100_000), rows(), LIGHTGBM_BOTH)
    assert found.missing == 0
    assert found.shrinkage > 0.9
    assert "more" not in found.sentence()
