"""What is read of a person's resources, what is set aside, and what is refused."""

from typing import Any

import pytest
from fhir_bundles import (
    ITEMS,
    LOCAL,
    NOT_IN_FHIR,
    bundle,
    days_ago,
    gad7,
    observation,
    order,
    person,
    phq9,
    quantity,
    questionnaire,
    resources_of,
    session,
    usual,
)
from fhir_reading import PLANTED, read, reasons, refusal

from data_schemas.instruments import get_instrument
from data_schemas.patient import Patient
from serving.fhir.codes import code_table
from serving.fhir.resources import bundle_resources
from serving.fhir.route import FhirReader
from serving.fhir.settings import FhirSettings
from serving.predictor import ResponsePredictor
from serving.requests import RequestError


def test_a_person_is_read_with_sources(reader: FhirReader) -> None:
    reading = read(reader, *usual())
    patient = reading.patient
    assert (patient.sex, patient.depression_instrument, patient.depression_total) == (
        "female", "PHQ-9", 18,
    )  # fmt: skip
    assert (patient.anxiety_instrument, patient.anxiety_total) == ("GAD-7", 11)
    assert (patient.polarity, patient.recurrent, patient.ssri) == ("unipolar", True, True)
    assert (patient.episode_duration_months, patient.failed_trials) == (14, 3)
    assert patient.benzodiazepine is False
    assert patient.antipsychotic is None, "an absent prescription says nothing"
    assert set(reading.basis) == {
        "Observation/phq9", "Observation/gad7", "Condition/depression", "MedicationRequest/drug",
        "Observation/duration", "Observation/trials", "Observation/bzd",
    }  # fmt: skip
    assert reading.unused == ()


@pytest.mark.parametrize(
    ("born", "at", "age"),
    [
        ("1980-05-17", "2026-05-16", 45),
        ("1980-05-17", "2026-05-17", 46),
        ("1980", "2026-01-01", None),
    ],
)
def test_age_is_in_completed_years_at_the_index_date(
    reader: FhirReader, born: str, at: str, age: int | None
) -> None:
    planned = order(occurrenceDateTime=at)
    assert read(reader, person(birthDate=born), planned).patient.age_years == age


@pytest.mark.parametrize(
    ("value", "unit", "months"),
    [(2, "a", 24), (14, "mo", 14), (52.1785714285714, "wk", 12), (365.25, "d", 12)],
)
def test_exact_units_are_converted(
    reader: FhirReader, value: float, unit: str, months: float
) -> None:
    given = observation("d", "episode-duration", 1, LOCAL, valueQuantity=quantity(value, unit))
    assert read(reader, person(), given).patient.episode_duration_months == pytest.approx(months)


@pytest.mark.parametrize(
    ("code", "system", "value", "allowed"),
    [
        ("episode-duration", LOCAL, {"valueQuantity": quantity(PLANTED, "h")}, "UCUM mo, a, wk, d"),
        ("39156-5", None, {"valueQuantity": quantity(PLANTED, "[lb_av]")}, "UCUM kg/m2"),
        ("44261-6", None, {"valueQuantity": {"value": PLANTED}}, "UCUM {score}, 1"),
        ("44261-6", None, {"valueQuantity": quantity(PLANTED, "{score}")}, "a whole number"),
        ("44261-6", None, {"valueString": str(PLANTED)}, "valueQuantity in UCUM {score}, 1"),
        (
            "44261-6", None,
            {"valueQuantity": {**quantity(18, "{score}"), "comparator": ">"}}, "no comparator",
        ),
        ("employed", LOCAL, {"valueString": "yes"}, "valueBoolean"),
    ],
)  # fmt: skip
def test_other_units_and_forms_are_refused_by_name(
    reader: FhirReader, code: str, system: str | None, value: dict[str, Any], allowed: str
) -> None:
    given = observation("x", code, 1, system or "http://loinc.org", **value)
    error = refusal(reader, person(), given)
    [problem] = error.problems
    assert error.code in {"wrong_unit", "wrong_value"}
    assert code in problem.problem
    assert problem.allowed == allowed
    assert problem.field.startswith("Bundle.entry[1].resource")


def test_a_value_out_of_range_is_refused_where_it_stands(reader: FhirReader) -> None:
    [problem] = refusal(reader, person(), phq9(7731)).problems
    assert problem.field == "Bundle.entry[1].resource"
    assert problem.allowed == "0 to 27"
    assert "7731" not in str(problem)


@pytest.mark.parametrize(
    ("status", "used"),
    [("final", True), ("amended", True), ("corrected", True), ("entered-in-error", False),
     ("preliminary", False), ("cancelled", False)],
)  # fmt: skip
def test_only_final_observations_count(reader: FhirReader, status: str, used: bool) -> None:
    reading = read(reader, person(), {**phq9(18), "status": status})
    assert (reading.patient.depression_total == 18) is used
    assert ("Observation/phq9" in reasons(reading)) is not used


def test_what_was_observed_of_another_is_set_aside(reader: FhirReader) -> None:
    """As of a relative, in the record of the patient."""
    other = {**phq9(18), "focus": [{"reference": "RelatedPerson/mother"}]}
    reading = read(reader, person(), other)
    assert reading.patient.depression_total is None
    assert "focus" in reasons(reading)["Observation/phq9"]


ABSENT = {"dataAbsentReason": {"text": "error"}}


@pytest.mark.parametrize(
    "given",
    [phq9(18), gad7(11), {**phq9(18), "status": "entered-in-error"},
     observation("other", "8867-4", 1, valueQuantity=quantity(PLANTED, "/min"))],
)  # fmt: skip
def test_a_value_that_is_said_to_be_absent_is_refused(
    reader: FhirReader, given: dict[str, Any]
) -> None:
    """Invariant obs-6 of R4: of a value and the reason why there is none, one is wrong."""
    [problem] = refusal(reader, person(), {**given, **ABSENT}).problems
    assert problem.field == "Bundle.entry[1].resource"
    assert "obs-6" in problem.problem


@pytest.mark.parametrize("value", [{}, {"valueQuantity": None}])
def test_what_is_said_to_be_absent_is_not_measured(
    reader: FhirReader, value: dict[str, Any]
) -> None:
    absent = {**observation("phq9", "44261-6", 1), **value, **ABSENT}
    reading = read(reader, person(), absent)
    assert reading.patient.depression_total is None
    assert reasons(reading) == {"Observation/phq9": "it has no value"}
    assert read(reader, person(), absent, phq9(18, 3, "earlier")).patient.depression_total == 18


def test_an_absent_item_leaves_the_total_out(reader: FhirReader) -> None:
    scored = [observation(f"i{code}", code, 3, valueInteger=1) for code in ITEMS[1:]]
    absent = {**observation("absent", ITEMS[0]), **ABSENT}
    [problem] = refusal(reader, person(), absent, *scored).problems
    assert f"PHQ-9 without {ITEMS[0]}" in problem.problem


@pytest.mark.parametrize("day", [29, 400])
def test_an_old_score_is_set_aside_and_a_history_is_not(reader: FhirReader, day: int) -> None:
    trials = observation("t", "failed-trials", day, LOCAL, valueInteger=2)
    reading = read(reader, person(), phq9(18, day), trials)
    assert reading.patient.depression_total is None
    assert reading.patient.failed_trials == 2
    assert "28 days" in reasons(reading)["Observation/phq9"]


def test_the_last_value_counts(reader: FhirReader) -> None:
    reading = read(reader, person(), phq9(20, 9, "old"), phq9(14, 2, "new"), phq9(17, 5, "mid"))
    assert reading.patient.depression_total == 14
    assert reading.basis == ["Observation/new"]


def test_nothing_after_the_first_session_counts(reader: FhirReader) -> None:
    resources = [person(), phq9(20, 41, "before"), phq9(6, 2, "during")]
    assert read(reader, *resources).patient.depression_total == 6
    reading = read(reader, *resources, session(30), session(20, "90868", "later"))
    assert reading.patient.depression_total == 20
    assert "after the index date" in reasons(reading)["Observation/during"]


def test_an_earlier_course_does_not_set_the_index_date(reader: FhirReader) -> None:
    earlier = session(700, "90868", "earlier")
    ordered = order(status="active", authoredOn=days_ago(2))
    reading = read(reader, person(), phq9(19, 5), earlier, ordered)
    assert reading.patient.depression_total == 19
    assert str(reading.index.day) == days_ago(2)[:10]


@pytest.mark.parametrize("status", ["revoked", "entered-in-error"])
def test_a_withdrawn_order_does_not_count(reader: FhirReader, status: str) -> None:
    ordered = order(status=status, authoredOn=days_ago(50))
    assert read(reader, person(), phq9(19, 5), ordered).patient.depression_total == 19


@pytest.mark.parametrize("effective", ["2026", "2026-03", None])
def test_an_undated_score_is_set_aside(reader: FhirReader, effective: str | None) -> None:
    given = {**phq9(18), "effectiveDateTime": effective}
    reading = read(reader, person(), {k: v for k, v in given.items() if v is not None})
    assert reading.patient.depression_total is None
    assert "precise to the day" in reasons(reading)["Observation/phq9"]


def test_duplicates_agree_or_are_refused(reader: FhirReader) -> None:
    first, same = phq9(18, identifier="a"), phq9(18, identifier="b")
    same["effectiveDateTime"] = first["effectiveDateTime"]
    assert set(read(reader, person(), first, same).basis) == {"Observation/a", "Observation/b"}
    other = {**same, "valueQuantity": quantity(17, "{score}")}
    assert refusal(reader, person(), first, other).code == "conflict"
    day_only = {**other, "effectiveDateTime": first["effectiveDateTime"][:10]}
    assert refusal(reader, person(), first, day_only).code == "conflict"


@pytest.mark.parametrize("scores", [[1, 2, 3, 0, 1, 2, 3, 0, 1], [0] * 9, [3] * 9])
def test_a_total_is_the_sum_of_all_items(reader: FhirReader, scores: list[int]) -> None:
    patient = read(reader, person(), questionnaire(scores)).patient
    assert patient.depression_total == sum(scores)
    assert patient.suicidal_ideation is (scores[8] > 0)


@pytest.mark.parametrize("missing", range(9))
def test_a_total_is_never_prorated(reader: FhirReader, missing: int) -> None:
    answers = questionnaire([2] * 9)
    del answers["item"][missing]
    error = refusal(reader, person(), answers)
    assert error.code == "incomplete_items"
    assert ITEMS[missing] in error.problems[0].problem


def test_items_may_be_observations(reader: FhirReader) -> None:
    at = days_ago(3)
    items = [
        observation(f"item-{number}", code, valueInteger=2, effectiveDateTime=at)
        for number, code in enumerate(ITEMS)
    ]
    reading = read(reader, person(), *items)
    assert reading.patient.depression_total == 18
    assert len(reading.basis) == 9
    lone = read(reader, person(), phq9(18), items[8])
    assert lone.patient.suicidal_ideation is True


def test_a_stated_total_must_be_the_sum(reader: FhirReader) -> None:
    answers = questionnaire([2] * 9)
    answers["item"].append({"linkId": "/44261-6", "answer": [{"valueDecimal": 18}]})
    assert read(reader, person(), answers).patient.depression_total == 18
    answers["item"][-1]["answer"] = [{"valueDecimal": 17}]
    assert refusal(reader, person(), answers).code == "conflict"


@pytest.mark.parametrize("status", ["in-progress", "stopped", "entered-in-error"])
def test_only_completed_questionnaires_count(reader: FhirReader, status: str) -> None:
    reading = read(reader, person(), questionnaire([2] * 9, status=status))
    assert reading.patient.depression_total is None


def test_somebody_elses_resource_is_refused(reader: FhirReader) -> None:
    for subject in ({"reference": "Patient/other"}, None, {"display": "somebody"}):
        given = {**phq9(18), "subject": subject}
        error = refusal(reader, person(), {k: v for k, v in given.items() if v is not None})
        assert error.code == "other_subject"
    whole = {**phq9(18), "subject": {"reference": "https://ehr.example/r4/Patient/simulated-1"}}
    assert read(reader, person(), whole).patient.depression_total == 18


@pytest.mark.parametrize("people", [[], [person(), person(id="simulated-2")]])
def test_exactly_one_person(reader: FhirReader, people: list[dict[str, Any]]) -> None:
    assert (
        refusal(reader, *people, order(subject={"reference": "Patient/x"})).code
        == "not_one_patient"
    )


def test_other_instruments_are_handed_on_for_the_model_to_refuse(reader: FhirReader) -> None:
    hamilton = observation("h", "hdrs-17-total", 3, LOCAL, valueInteger=24)
    assert read(reader, person(), hamilton, phq9(18)).patient.depression_instrument == "PHQ-9"
    reading = read(reader, person(), hamilton)
    assert reading.patient.depression_instrument == "HDRS-17"
    with pytest.raises(RequestError) as caught:
        reader.predict(reading)
    assert caught.value.code == "wrong_instrument"


@pytest.mark.parametrize(
    "bad",
    [
        {"resourceType": "Observation", "status": "final", "code": {}, "foo": PLANTED},
        {**phq9(1), "valueQuantity": {"value": "x"}},
        {**phq9(1), "effectiveDateTime": "2026-13-99"},
        {**phq9(1), "contained": [{"resourceType": "Nope"}]},
        {**phq9(1), "code": []},
        {**phq9(1), "status": None},
        {"resourceType": "Condition", "id": "x"},
    ],
)
def test_what_is_not_valid_is_refused_at_its_place(reader: FhirReader, bad: dict[str, Any]) -> None:
    error = refusal(reader, person(), bad)
    assert error.code == "invalid_fhir"
    assert error.problems[0].field.startswith("Bundle.entry[1].resource")


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ([], "Bundle"),
        (["entry", 1], "Bundle.entry[1]"),
        (["entry", 1, "resource"], "Bundle.entry[1].resource"),
        (
            ["entry", 2, "resource", "item", 3, "answer", 0],
            "Bundle.entry[2].resource.item[3].answer[0]",
        ),
    ],
)
def test_what_may_change_the_meaning_is_not_read_on(where: list[Any], place: str) -> None:
    """A modifier extension may say "not", and FHIR forbids to overlook it."""
    content: Any = bundle(person(), gad7(3), questionnaire([1] * 9))
    element = content
    for step in where:
        element = element[step]
    element["modifierExtension"] = [{"url": "https://ehr.example.org/not", "valueBoolean": True}]
    with pytest.raises(RequestError) as caught:
        bundle_resources(content)
    [problem] = caught.value.problems
    assert caught.value.code == "modifier_unknown"
    assert problem.field == f"{place}.modifierExtension"


def test_rules_that_are_not_known_are_not_overlooked(reader: FhirReader) -> None:
    other = {**phq9(18), "implicitRules": "https://ehr.example.org/rules"}
    error = refusal(reader, person(), other)
    assert error.code == "modifier_unknown"
    assert error.problems[0].field == "Bundle.entry[1].resource.implicitRules"


def test_absurd_nesting_is_refused(reader: FhirReader) -> None:
    answers = questionnaire([1] * 9)
    item = answers["item"][0]
    for _ in range(300):
        item["item"] = [{"linkId": "x"}]
        item = item["item"][0]
    assert refusal(reader, person(), answers).code == "invalid_fhir"


def test_kinds_that_are_not_read_are_passed_over(reader: FhirReader) -> None:
    strange = {"resourceType": "Nope", "anything": [PLANTED]}
    assert read(reader, person(), strange, phq9(18)).patient.depression_total == 18


def test_settings_bound_the_window(predictor: ResponsePredictor) -> None:
    short = FhirReader(predictor, FhirSettings(recency_days=7))
    assert read(short, person(), phq9(18, 6)).patient.depression_total == 18
    assert read(short, person(), phq9(18, 9)).patient.depression_total is None


def test_what_a_patient_holds_comes_back(reader: FhirReader, patients: list[Patient]) -> None:
    for patient in patients[:40]:
        said = patient.model_copy(update={"site": None, "extra": {}})
        if said.anxiety_total is None:
            said = said.model_copy(update={"anxiety_instrument": None})
        assert read(reader, *resources_of(said)).patient == said


def test_every_field_has_a_code_or_is_known_to_have_none() -> None:
    table = code_table()
    coded = {row.field for row in table.measures}
    coded |= {f"{row.domain}_{part}" for row in table.totals for part in ("instrument", "total")}
    assert coded | NOT_IN_FHIR | {"age_years", "sex"} == set(Patient.model_fields)
    assert {row.field for row in table.medications} <= coded
    assert {field for row in table.diagnoses for field in row.sets} <= coded
    for row in table.totals:
        assert row.loinc == get_instrument(row.instrument).loinc
        assert (row.loinc is None) is (row.local is not None)


def test_what_is_recent_is_recent_now_where_treatment_is_yet_to_come(reader: FhirReader) -> None:
    planned = order(occurrenceDateTime=days_ago(-60))
    reading = read(reader, person(), phq9(18, 20), planned)
    assert reading.patient.depression_total == 18
    assert str(reading.index.day) == days_ago(-60)[:10]
    assert read(reader, person(), phq9(18, 40), planned).patient.depression_total is None


def test_anxiety_alone_is_read(reader: FhirReader) -> None:
    assert read(reader, person(), gad7(7)).patient.anxiety_total == 7
