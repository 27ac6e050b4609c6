import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data_schemas.errors import DataError, field_problems
from data_schemas.instruments import INSTRUMENTS, get_instrument
from data_schemas.outcome import Outcome, OutcomeDefinition


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    instrument = get_instrument(draw(st.sampled_from(sorted(INSTRUMENTS))))
    baseline = draw(st.integers(1, instrument.maximum))
    final = draw(st.integers(0, instrument.maximum))
    return Outcome(instrument=instrument.name, baseline_total=baseline, final_total=final)


@given(outcomes())
def test_response_agrees_with_percent_improvement(outcome: Outcome) -> None:
    needed = 100 * get_instrument(outcome.instrument).response_reduction
    if abs(outcome.percent_improvement - needed) > 1e-9:
        assert outcome.response == (outcome.percent_improvement > needed)
    else:
        assert outcome.response


@given(outcomes())
def test_less_at_the_end_is_never_worse(outcome: Outcome) -> None:
    better = outcome.model_copy(update={"final_total": max(outcome.final_total - 1, 0)})
    assert better.response >= outcome.response
    if outcome.remission is not None and better.remission is not None:
        assert better.remission >= outcome.remission


@pytest.mark.parametrize(
    ("instrument", "baseline", "final", "response", "remission"),
    [
        ("HDRS-17", 24, 12, True, False),
        ("HDRS-17", 24, 13, False, False),
        ("HDRS-17", 14, 7, True, True),
        ("PHQ-9", 18, 4, True, True),
        ("PHQ-9", 18, 5, True, False),
        ("Y-BOCS", 20, 13, True, None),
        ("Y-BOCS", 20, 14, False, None),
    ],
)
def test_cutoffs(
    instrument: str, baseline: int, final: int, response: bool, remission: bool | None
) -> None:
    outcome = Outcome(instrument=instrument, baseline_total=baseline, final_total=final)
    assert (outcome.response, outcome.remission) == (response, remission)


def test_remission_without_a_cutoff_is_refused() -> None:
    with pytest.raises(DataError, match="Remission is not defined on Y-BOCS"):
        Outcome(instrument="Y-BOCS", baseline_total=20, final_total=2).achieved("remission")
    with pytest.raises(ValidationError, match="remission is not defined on Y-BOCS"):
        OutcomeDefinition(kind="remission", instrument="Y-BOCS")


@pytest.mark.parametrize(
    ("baseline", "final", "field"),
    [(0, 0, "baseline_total"), (61, 5, "baseline_total"), (30, 77, "final_total")],
)
def test_impossible_totals_are_named(baseline: float, final: float, field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outcome(instrument="HDRS-17", baseline_total=baseline, final_total=final)
    problem = field_problems(caught.value)[0]
    assert problem.field == field
    assert "61" not in str(problem)
    assert "77" not in str(problem)


def test_definition_in_words() -> None:
    definition = OutcomeDefinition(kind="remission", instrument="PHQ-9", horizon="week 6")
    assert definition.describe() == "PHQ-9 total of 4 or below at week 6"
