"""`tms-response plan`: what it says, and what it refuses."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

import tms_response
from data_schemas.errors import UsageError
from training.planning.plan import (
    AT_BEST,
    FORMULA_TOO_LOW,
    TREES_NEED_MORE,
    make_plan,
    render_plan,
)


def printed(**asked: Any) -> str:
    """Return the plan as text in a wide terminal."""
    console = Console(width=200, record=True, file=StringIO())
    console.print(render_plan(plan_of(**asked)))
    return console.export_text()


def plan_of(**asked: Any) -> Any:
    return make_plan(**{"parameters": 20, "prevalence": 0.47, "auroc": 0.65, **asked})


def test_it_says_which_criterion_decides() -> None:
    text = printed()
    (decides,) = (line for line in text.splitlines() if "which decides" in line)
    assert "(i)" in decides
    assert "2,513" in decides
    assert "59.1" in decides
    assert TREES_NEED_MORE in text
    assert AT_BEST not in text


def test_the_patients_there_are_are_judged() -> None:
    made = plan_of(patients=800, sites=8, external=200)
    assert made.shrinkage == pytest.approx(0.743, abs=0.001)
    assert made.development.auroc.width < made.development.auroc_within_sites.width
    assert made.external.slope.width == pytest.approx(2 * made.development.slope.width)
    text = printed(patients=800, sites=8, external=200)
    assert "1,713 patients too few" in text
    assert "within 8 sites" in text
    assert "200 patients of another cohort" in text
    assert AT_BEST in text
    assert "enough for all three criteria" in printed(patients=2513)


def test_a_high_auroc_is_warned_of() -> None:
    assert FORMULA_TOO_LOW in printed(auroc=0.8)
    assert FORMULA_TOO_LOW not in printed(auroc=0.79)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"parameters": 0}, "--parameters"),
        ({"prevalence": 0.0}, "--prevalence"),
        ({"prevalence": 47.0}, "0.47 for 47 %"),
        ({"prevalence": float("nan")}, "--prevalence"),
        ({"auroc": 0.5}, "--auc"),
        ({"auroc": 1.0}, "--auc"),
        ({"auroc": float("nan")}, "--auc"),
        ({"patients": 0}, "--patients"),
        ({"external": -1}, "--external"),
        ({"sites": 4}, "--patients"),
        ({"patients": 30, "sites": 1}, "from 2 to the number of patients, 30"),
        ({"patients": 30, "sites": 31}, "--sites"),
    ],
)
def test_numbers_out_of_range_are_refused_with_the_range(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan_of(**asked)


def test_the_command_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert tms_response.run(["plan", "--patients", "800", "--sites", "8"]) == 0
    assert "2,513" in capsys.readouterr().out
    assert tms_response.run(["plan", "--auc", "0.4"]) == 2
    assert "between 0.5 (chance) and 1 (perfect)" in capsys.readouterr().err


@pytest.mark.parametrize("patients", [1, 9, 30])
def test_very_few_patients_have_a_plan(patients: int) -> None:
    assert "Calibration slope" in printed(patients=patients, parameters=300, auroc=0.51)
