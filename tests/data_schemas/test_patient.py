import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data_schemas.errors import FieldProblem, field_problems
from data_schemas.patient import Patient
from data_schemas.patient_rules import post_treatment_reason

STAGED: dict[str, Any] = {
    "episode_duration_months": 14,
    "depression_instrument": "HDRS-17",
    "depression_total": 16,
    "failed_trials": 2,
    "augmentation_failed": False,
    "ect_history": False,
}


def _problems(**given: object) -> list[FieldProblem]:
    with pytest.raises(ValidationError) as caught:
        Patient.model_validate(given)
    return field_problems(caught.value, Patient)


def _problem(**given: object) -> FieldProblem:
    return _problems(**given)[0]


def test_nothing_is_required_and_nothing_is_assumed() -> None:
    patient = Patient()
    given = patient.model_dump(exclude={"extra"})
    assert set(given.values()) == {None}


def test_every_field_says_what_it_means() -> None:
    for name, field in Patient.model_fields.items():
        assert field.description, name
    numbers = [
        name for name, field in Patient.model_fields.items()
        if field.annotation in (float | None, int | None)
    ]  # fmt: skip
    schema = Patient.model_json_schema()["properties"]
    assert all(schema[name].get("unit") for name in numbers)


@pytest.mark.parametrize(
    ("given", "field", "planted"),
    [
        ({"age_years": 430.5}, "age_years", "430"),
        ({"depression_instrument": "PHQ-9", "depression_total": 30}, "depression_total", "30"),
        ({"depression_total": 19.5}, "depression_total", "19.5"),
        ({"anxiety_instrument": "MADRS", "anxiety_total": 33}, "anxiety_instrument", "33"),
        ({"sex": "Xyzzy"}, "sex", "Xyzzy"),
        ({"age_years": 31, "onset_age_years": 57}, "onset_age_years", "57"),
        ({"episode_duration_months": math.inf}, "episode_duration_months", "inf"),
        ({"coil_site_mni_mm": [0, 0, 431]}, "coil_site_mni_mm.2", "431"),
        ({"extra": {"Not A Name": 431}}, "extra.Not A Name.[key]", "431"),
        ({"sessions_planned": 31.5}, "sessions_planned", "31.5"),
    ],
)
def test_bad_values_are_named_by_field_and_never_shown(
    given: dict[str, object], field: str, planted: str
) -> None:
    problem = _problem(**given)
    assert problem.field == field
    assert planted not in problem.problem


@pytest.mark.parametrize(
    "name",
    ["sessions_completed", "week1_score", "phq9_week_2", "final_total", "hdrs_post", "ses-post",
     "responder", "percent_improvement", "bdi.2m", "follow_up_madrs", "early_improvement",
     "response", "responds", "remission", "remits"],
)  # fmt: skip
def test_what_is_known_only_later_is_refused_with_the_reason(name: str) -> None:
    problem = _problem(**{name: 1})
    assert problem.field == name
    assert "known only after treatment has begun" in problem.problem
    extra = name.replace("-", "_").replace(".", "_")
    assert "known only after" in _problem(extra={extra: 1.0}).problem


def test_no_baseline_field_is_mistaken_for_a_later_one() -> None:
    assert [n for n in Patient.model_fields if post_treatment_reason(n)] == []
    assert post_treatment_reason("hads_depression") is None
    assert post_treatment_reason("stimsite_accumbens_fc") is None
    for name in ("galvanic_skin_response", "response_time_ms", "alcohol_remission_years"):
        assert post_treatment_reason(name) is None


# None of them touches a field of another.
_MISTAKES: tuple[dict[str, Any], ...] = (
    {"sessions_completed": 12},
    {"week_2_score": 9},
    {"hight_cm": 170},
    {"age_years": 430},
    {"sex": "Xyzzy"},
    {"depression_instrument": "PHQ-9", "depression_items": [1] * 8},
    {"anxiety_instrument": "GAD-7", "anxiety_total": 30},
    {"coil_site_mni_mm": [0, 431, 0]},
    {"extra": {"final_weight_kg": 80.0, "Grip": 31.0}},
    {"connectome": {"labels": ["a", "a"], "upper_triangle": [0.5]}},
    {"failed_trials": 2.5},
)


@given(st.sets(st.integers(0, len(_MISTAKES) - 1), min_size=1))
def test_all_that_is_wrong_is_said_at_once(chosen: set[int]) -> None:
    record: dict[str, Any] = {}
    expected: list[FieldProblem] = []
    for number in sorted(chosen):
        record |= _MISTAKES[number]
        expected += _problems(**_MISTAKES[number])
    found = _problems(**record)
    assert sorted(found, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"anxiety_instrument": 7, "anxiety_total": 11}, ["anxiety_instrument"]),
        ({"anxiety_instrument": "GAD7", "anxiety_total": 99}, ["anxiety_instrument"]),
        ({"age_years": 430, "onset_age_years": 50}, ["age_years"]),
        ({"depression_total": 5, "anxiety_total": 5, "age_years": 30, "onset_age_years": 31},
         ["depression_total", "anxiety_total", "onset_age_years"]),
        ({"depression_instrument": "PHQ-9", "depression_items": [1, "x"], "depression_total": 9},
         ["depression_items"]),
        ({"depression_instrument": "PHQ-9", "depression_items": [1] * 9, "depression_total": "x"},
         ["depression_total"]),
        ({"final_total": 3, "extra": {"final_total": 3, "Week 1": 4}}, ["final_total", "Week 1"]),
    ],
)  # fmt: skip
def test_one_mistake_is_said_once(given: dict[str, Any], fields: list[str]) -> None:
    assert [problem.field for problem in _problems(**given)] == fields


def test_a_scan_sent_twice_is_said_beside_other_mistakes() -> None:
    connectome = {"labels": ("a", "b"), "upper_triangle": (0.5,)}
    summary = {"values": {"fc_within_default": 0.4}}
    given = {"connectome": connectome, "connectome_summary": summary, "age_years": 430}
    assert [each.field for each in _problems(**given)] == ["connectome_summary", "age_years"]
    del given["connectome_summary"]
    assert [each.field for each in _problems(**given)] == ["age_years"]


def test_total_comes_from_complete_items() -> None:
    patient = Patient(depression_instrument="PHQ-9", depression_items=(1,) * 9)
    assert patient.depression_total == 9


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"depression_items": [1] * 8}, "9 items and 8 were given"),
        ({"depression_items": [1] * 8 + [4]}, "item 9 must lie between 0 and 3"),
        ({"depression_items": [1] * 8 + [1.5]}, "must be whole numbers"),
        ({"depression_items": [1] * 9, "depression_total": 10}, "is not the sum"),
    ],
)
def test_items_that_do_not_add_up_are_refused(given: dict[str, object], sentence: str) -> None:
    assert sentence in str(_problem(depression_instrument="PHQ-9", **given))


@pytest.mark.parametrize(
    ("changes", "stage"),
    [
        ({}, 2 + 3 + 1),
        ({"episode_duration_months": 12}, 1 + 3 + 1),
        ({"episode_duration_months": 25}, 3 + 3 + 1),
        ({"failed_trials": 11, "ect_history": True, "augmentation_failed": True}, 2 + 3 + 5 + 2),
        ({"depression_total": 7}, 2 + 1 + 1),
        ({"depression_total": 24, "psychotic_features": False}, 2 + 4 + 1),
        ({"depression_total": 24, "psychotic_features": True}, 2 + 5 + 1),
        ({"depression_total": 24}, None),
        ({"failed_trials": None}, None),
        ({"depression_instrument": "BDI-II"}, None),
    ],
)
def test_maudsley_stage_by_its_published_points(
    changes: dict[str, object], stage: int | None
) -> None:
    assert Patient.model_validate({**STAGED, **changes}).maudsley_stage() == stage


@given(
    st.integers(0, 40), st.integers(0, 960), st.integers(0, 52), st.booleans(), st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_maudsley_stage_stays_in_its_range(
    trials: int, months: int, total: int, psychotic: bool, augmented: bool, ect: bool
) -> None:
    patient = Patient(
        failed_trials=trials, episode_duration_months=months, depression_instrument="HDRS-17",
        depression_total=total, psychotic_features=psychotic, augmentation_failed=augmented,
        ect_history=ect,
    )  # fmt: skip
    stage = patient.maudsley_stage()
    assert stage is not None
    assert 3 <= stage <= 15


def test_patients_are_frozen() -> None:
    patient = Patient(age_years=40)
    with pytest.raises(ValidationError, match="frozen"):
        patient.age_years = 41  # type: ignore[misc]


def test_every_field_says_what_it_is_and_where_that_comes_from() -> None:
    fields = Patient.model_json_schema()["properties"]
    assert [name for name, field in fields.items() if not field.get("source")] == []
    assert [name for name, field in fields.items() if not field.get("description")] == []
