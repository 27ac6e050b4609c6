"""Who has died is not predicted for, unless the course was before."""

from typing import Any

import pytest
from fhir_bundles import order, person, phq9
from fhir_reading import read, reasons, refusal

from serving.fhir.route import FhirReader


@pytest.mark.parametrize(
    ("died", "element"),
    [
        ({"deceasedBoolean": True}, "deceasedBoolean"),
        ({"deceasedBoolean": "true"}, "deceasedBoolean"),
        *(
            ({"deceasedDateTime": when}, "deceasedDateTime")
            for when in ("2019-11-30T08:00:00Z", "2025-06-30", "2026-05-17", "2026-05", "2026", 7)
        ),
    ],
)
def test_who_has_died_is_refused(reader: FhirReader, died: dict[str, Any], element: str) -> None:
    """A prediction of treatment to come for the dead is one for the wrong patient."""
    error = refusal(reader, person(**died), phq9(18), order(occurrenceDateTime="2026-05-17"))
    [problem] = error.problems
    assert error.code == "deceased"
    assert problem.field == f"Bundle.entry[0].resource.{element}"
    assert "the patient died" in problem.problem


@pytest.mark.parametrize("when", ["2026-05-18", "2026-06", "2027"])
def test_a_death_after_the_index_date_is_noted(reader: FhirReader, when: str) -> None:
    planned = order(occurrenceDateTime="2026-05-17")
    reading = read(reader, person(deceasedDateTime=when), planned)
    assert reasons(reading) == {"Patient/simulated-1": "deceasedDateTime is after the index date"}
    assert reasons(read(reader, person(deceasedBoolean=False), planned)) == {}
