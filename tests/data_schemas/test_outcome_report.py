"""A report says one thing, and says it in range."""

from typing import Any

import pytest
from pydantic import ValidationError

from data_schemas.errors import field_problems
from data_schemas.outcome_report import OutcomeReport

PLANTED = 61.8034
KNOWN: dict[str, Any] = {
    "prediction_id": "7f2c1e0a-5d0b-4a52-9f7e-0d5c1b1f4a11",
    "measured_on": "2026-03-31",
}


@pytest.mark.parametrize("said", [{"responded": False}, {"instrument": "PHQ-9", "final_total": 0}])
def test_a_total_or_a_response_is_a_report(said: dict[str, Any]) -> None:
    report = OutcomeReport(**KNOWN, **said)
    assert report.model_dump(mode="json", exclude_none=True) == {**KNOWN, **said}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "final_total"),
        ({"responded": True, "instrument": "PHQ-9", "final_total": 3}, "final_total"),
        ({"final_total": 3}, "instrument"),
        ({"responded": True, "instrument": "PHQ-9"}, "instrument"),
        ({"instrument": "PHQ-9", "final_total": PLANTED}, "final_total"),
        ({"instrument": "PHQ-9", "final_total": float("nan")}, "final_total"),
        ({"instrument": str(PLANTED), "final_total": 3}, "instrument"),
        ({"responded": True, "measured_on": str(PLANTED)}, "measured_on"),
        ({"responded": True, "prediction_id": str(PLANTED)}, "prediction_id"),
        ({"responded": True, "name": PLANTED}, "name"),
    ],
)
def test_anything_else_is_refused_by_name(said: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        OutcomeReport(**{**KNOWN, **said})
    problems = field_problems(caught.value)
    assert [problem.field for problem in problems] == [field]
    assert str(PLANTED) not in "".join(map(str, problems))
