"""A Patient from FHIR resources: last value before the index date, each with its source.

The index date is that of the first session of TMS since the last order of it; else when that order
is planned for, or was written; else the first session; else now. Where it is still to come, a
recent measurement is recent as of now.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from data_schemas.course import Course
from data_schemas.errors import FieldProblem, field_problems
from data_schemas.patient import Patient
from serving.fhir.codes import Codes
from serving.fhir.course import FhirCourse, Session, read_course
from serving.fhir.evidence import AFTER_INDEX, Evidence, Found, Unused, last_of, merged
from serving.fhir.moments import Moment
from serving.fhir.resources import Resource, only_patient, unusable
from serving.fhir.settings import FhirSettings
from serving.model_document import LandmarkDocument, ModelDocument
from serving.requests import RequestError

_DONE: Final = frozenset({"in-progress", "completed"})
_ORDERED: Final = frozenset({"draft", "active", "completed"})
_SEXES: Final = frozenset({"female", "male", "other"})


@dataclass(frozen=True)
class Reading:
    """A Patient with the sources of its fields.

    Attributes
    ----------
    patient : Patient
    subject : str
        Reference to the FHIR Patient.
    index : Moment
        The date before which everything was measured.
    sources : dict of str to Found
        Field -> the value used.
    unused : tuple of Unused
        What was set aside, with reasons.
    treatment : FhirCourse or None
        The scores after the first session; None where the model has no use for them.
    """

    patient: Patient
    subject: str
    index: Moment
    sources: dict[str, Found]
    unused: tuple[Unused, ...]
    treatment: FhirCourse | None = None

    @property
    def course(self) -> Course | None:
        """The scores after the first session; None where there are none."""
        return None if self.treatment is None else self.treatment.course

    @property
    def suicidal(self) -> bool:
        """Whether suicidal ideation is recorded, before the first session or in the course."""
        during = self.treatment is not None and self.treatment.suicidal
        return bool(self.patient.suicidal_ideation) or during

    @property
    def basis(self) -> list[str]:
        """References of every resource used, in the order of the fields."""
        used = (each for found in self.sources.values() for each in found.resources)
        return list(dict.fromkeys(each.reference for each in used if each.kind != "Patient"))


def read_patient(
    resources: list[Resource],
    document: ModelDocument,
    codes: Codes,
    settings: FhirSettings,
    *,
    now: datetime,
    landmark: LandmarkDocument | None = None,
) -> Reading:
    """Return the Patient whom one person's resources describe.

    Parameters
    ----------
    resources : list of Resource
        With exactly one Patient, of whom all the others are.
    document : ModelDocument
        Names the instruments that are looked for first.
    codes, settings : Codes, FhirSettings
        The mapping table and the recency window.
    now : datetime
        The index date where neither session nor order of TMS is known; in the clinic's time zone,
        so that a date of today is not one of tomorrow.
    landmark : LandmarkDocument, optional
        Of any model of the course, where one may answer; see `serving.fhir.course`.

    Raises
    ------
    RequestError
        422, naming elements and what is allowed, and no value.
    """
    person = only_patient(resources)
    present = Moment.of(now)
    index = index_moment(resources, codes, present)
    _refuse_deceased(person, index)
    until = present if index.is_after(present) else index
    medications = {each.reference: each for each in resources if each.kind == "Medication"}
    evidence = Evidence(codes, until, settings.recency_days, medications)
    evidence.gather(resources)
    found = _last_of_each(evidence)
    for domain in ("depression", "anxiety"):
        _choose_total(found, domain, getattr(document, f"{domain}_instrument"))
    if "depression_total" not in found and evidence.incomplete:
        problem = f"a total is computed from all items only: {'; '.join(evidence.incomplete)}"
        raise unusable("Bundle", "incomplete_items", problem, "all items, or the total")
    _add_person(found, person, index, evidence)
    treatment = None
    if landmark is not None:
        sessions = sessions_until(resources, codes, present)
        treatment = read_course(resources, sessions, index, landmark, codes=codes, now=present)
    return Reading(
        _patient(found), person.reference, index,
        _without_instruments(found) | _scores(treatment),
        tuple(_still_unused(evidence.unused, treatment)), treatment,
    )  # fmt: skip


def sessions_until(resources: list[Resource], codes: Codes, now: Moment) -> list[Session]:
    """Return every session of TMS that has begun, of whatever course."""
    found = []
    for content in _tms_procedures(resources, codes):
        start, period = _performed(content), content.get("performedPeriod") or {}
        if start is None or start.is_after(now):
            continue
        end = Moment.parse(period.get("end"))
        if end is None:
            goes_on = bool(period) and content.get("status") == "in-progress"
            end = now if goes_on else start
        found.append(Session(start, end, is_single=not period))
    return found


def _scores(treatment: FhirCourse | None) -> dict[str, Found]:
    """Return the scores of the course by a name of their own, among the other sources."""
    if treatment is None or treatment.course is None:
        return {}
    days = [visit.day or 0 for visit in treatment.course.visits]
    return {
        f"score on day {day:g}": found for day, found in zip(days, treatment.sources, strict=True)
    }


def _still_unused(unused: list[Unused], treatment: FhirCourse | None) -> Iterator[Unused]:
    """Yield what is set aside for good, the scores of the course for their own reasons."""
    scored = () if treatment is None else treatment.sources
    used = {each.reference for found in scored for each in found.resources}
    reasons = {} if treatment is None else treatment.reasons
    for each in unused:
        if each.reason != AFTER_INDEX:
            yield each
        elif each.reference not in used:
            yield Unused(each.reference, reasons.get(each.reference, each.reason))


def index_moment(resources: list[Resource], codes: Codes, now: Moment) -> Moment:
    """Return the index date; see the head of this module."""
    sessions = [
        moment
        for content in _tms_procedures(resources, codes)
        if (moment := _performed(content)) is not None
    ]
    orders = [
        _ordered(each.content, now)
        for each in resources
        if each.kind == "ServiceRequest" and is_tms_order(each, codes)
    ]
    if not orders:
        return min(sessions, key=_sortable) if sessions else now
    written, planned = max(orders, key=lambda order: _sortable(order[0]))
    since = [each for each in sessions if not written.is_after(each)]
    return min(since, key=_sortable) if since else planned


def _tms_procedures(resources: list[Resource], codes: Codes) -> Iterator[dict[str, Any]]:
    for each in resources:
        done = each.kind == "Procedure" and each.content.get("status") in _DONE
        if done and codes.is_tms(each.codings()):
            yield each.content


def is_tms_order(resource: Resource, codes: Codes) -> bool:
    """Return whether a ServiceRequest orders TMS and stands."""
    content = resource.content
    return (
        content.get("status") in _ORDERED
        and not content.get("doNotPerform")
        and codes.is_tms(resource.codings())
    )


def _performed(content: dict[str, Any]) -> Moment | None:
    period = content.get("performedPeriod") or {}
    return Moment.parse(content.get("performedDateTime") or period.get("start"))


def _ordered(content: dict[str, Any], now: Moment) -> tuple[Moment, Moment]:
    """Return when an order was written, and when it is to begin."""
    period = content.get("occurrencePeriod") or {}
    planned = Moment.parse(content.get("occurrenceDateTime") or period.get("start"))
    written = Moment.parse(content.get("authoredOn"))
    return written or planned or now, planned or written or now


def _sortable(moment: Moment) -> tuple[str, str]:
    return str(moment.day), "" if moment.instant is None else moment.instant.isoformat()


def _last_of_each(evidence: Evidence) -> dict[str, Found]:
    """Return the last value of each field, from measurements first and diagnoses else."""
    by_key: dict[str, list[Found]] = {}
    for each in evidence.found:
        by_key.setdefault(each.key, []).append(each)
    last = {key: last_of(given) for key, given in by_key.items()}
    diagnosed: dict[str, list[Found]] = {}
    for each in evidence.diagnosed:
        diagnosed.setdefault(each.key, []).append(each)
    for field, given in diagnosed.items():
        if field in last:
            continue
        if len({each.value for each in given}) == 1:
            last[field] = merged(given)
        else:
            evidence.unused += [
                Unused(each.resources[0].reference, f"active diagnoses disagree on {field}")
                for each in given
            ]
    return last


def _choose_total(found: dict[str, Found], domain: str, instrument: str | None) -> None:
    """Keep one total: that of the model's instrument, else the first, which the model judges."""
    prefix = f"{domain}_total:"
    given = [key for key in found if key.startswith(prefix)]
    wanted = f"{prefix}{instrument}"
    chosen = wanted if wanted in given else next(iter(given), None)
    for key in given:
        total = found.pop(key)
        if key == chosen:
            found[f"{domain}_total"] = total
            found[f"{domain}_instrument"] = Found(
                f"{domain}_instrument", key.removeprefix(prefix), total.moment, total.resources
            )


def _refuse_deceased(person: Resource, index: Moment) -> None:
    """Refuse who died, unless it was certainly after the index date: of a course in the past."""
    died = person.content.get("deceasedDateTime")
    if died is None and person.content.get("deceasedBoolean") in (None, False):
        return
    if isinstance(died, str) and _is_after(died, index):
        return
    element = "deceasedBoolean" if died is None else "deceasedDateTime"
    problem = "says that the patient died, and not that it was after the index date"
    allowed = "a patient who lived then; check whose record it is"
    raise unusable(f"{person.place}.{element}", "deceased", problem, allowed)


def _is_after(written: str, index: Moment) -> bool:
    moment = Moment.parse(written)
    if moment is None:  # a year or a month, which say enough where they are later ones
        return len(written) < 10 and written > index.day.isoformat()[: len(written)]
    return moment.is_after(index)


def _add_person(
    found: dict[str, Found], person: Resource, index: Moment, evidence: Evidence
) -> None:
    gender = person.content.get("gender")
    if gender in _SEXES:
        found["sex"] = Found("sex", gender, index, (person,))
    born = Moment.parse(person.content.get("birthDate"))
    if born is not None:
        years = index.day.year - born.day.year
        years -= (index.day.month, index.day.day) < (born.day.month, born.day.day)
        found["age_years"] = Found("age_years", float(years), index, (person,))
    elif "birthDate" in person.content:
        evidence.unused.append(Unused(person.reference, "birthDate is not precise to the day"))
    if person.content.get("deceasedDateTime") is not None:
        evidence.unused.append(Unused(person.reference, "deceasedDateTime is after the index date"))


def _without_instruments(found: dict[str, Found]) -> dict[str, Found]:
    return {field: each for field, each in found.items() if not field.endswith("_instrument")}


def _patient(found: dict[str, Found]) -> Patient:
    try:
        return Patient.model_validate({field: each.value for field, each in found.items()})
    except ValidationError as error:
        message = "The patient's record is not valid; nothing was predicted."
        problems = tuple(_placed(problem, found) for problem in field_problems(error))
        raise RequestError(422, "invalid_patient", message, problems) from None


def _placed(problem: FieldProblem, found: dict[str, Found]) -> FieldProblem:
    """Return a problem of a field as one of the resource that it came from."""
    source = found.get(problem.field)
    place = source.resources[0].place if source else "Bundle"
    return FieldProblem(place, f"{problem.field} {problem.problem}", problem.allowed)
