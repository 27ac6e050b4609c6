"""The course of treatment from FHIR resources: totals dated after the first session, by days.

A record does not tell whether it holds every session, so that sessions are not counted: a total
stands at the days since the first one, the index date, which must be a Procedure of TMS. Totals
count as of the course until the sessions pause for more than a week, or a week after the last one.
Where the sessions come faster than the model's weeks allow, or had begun before an order in
mid-course, days would name the wrong week, and the course is refused.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import floor
from typing import Final

from data_schemas.course import DAYS_A_WEEK, MOST_VISITS, Course, CourseVisit
from data_schemas.errors import FieldProblem
from serving.fhir.codes import Codes, Item, Total
from serving.fhir.evidence import Evidence, Found, last_of
from serving.fhir.moments import Moment
from serving.fhir.resources import Resource, unusable
from serving.model_document import LandmarkDocument

_ANY_AGE_DAYS: Final = 366 * 200
_LONGEST_PAUSE: Final = timedelta(days=DAYS_A_WEEK)
# On weekdays, the usual course: five sessions a week are one a day.
_DAYS_OF_SESSIONS: Final = 5
# The first session may be recorded twice, as mapping and as delivery.
_RECORDED_TWICE: Final = 1
_ON_FIRST_DAY: Final = "a score of the day of the first session, after it"
_BY_SESSIONS: Final = (
    "the scores with the sessions received by then: POST /predict, course[].session"
)
_NO_SESSION: Final = (
    "dated after the index date; the course needs its first session, as a Procedure of TMS"
)
_TOO_LATE: Final = (
    "more than a week after the sessions ended or paused; the course needs each session, or one "
    "Procedure with its period"
)


@dataclass(frozen=True)
class Session:
    """One Procedure of TMS: a session, or a whole course of them with its period.

    Attributes
    ----------
    start, end : Moment
        The same for a single session; of a course that is in progress, the end is now.
    is_single : bool
    """

    start: Moment
    end: Moment
    is_single: bool


@dataclass(frozen=True)
class FhirCourse:
    """The scores of the course, and what was set aside.

    Attributes
    ----------
    course : Course or None
        None where there is no score after the first session.
    sources : tuple of Found
        One a score.
    reasons : dict of str to str
        Reference of a resource -> why it is not used.
    suicidal : bool
        Whether suicidal ideation is recorded after the first session.
    """

    course: Course | None
    sources: tuple[Found, ...]
    reasons: dict[str, str]
    suicidal: bool


def read_course(
    resources: list[Resource],
    sessions: list[Session],
    index: Moment,
    landmark: LandmarkDocument,
    *,
    codes: Codes,
    now: Moment,
) -> FhirCourse:
    """Return the scores after the first session.

    Parameters
    ----------
    resources : list of Resource
        Of one person.
    sessions : list of Session
        All that have begun.
    index : Moment
        The index date; without a session then or later there is no course.
    landmark : LandmarkDocument
        Of any model of the course: names the instrument and its pace.
    codes : Codes
        The mapping table.
    now : Moment
        Nothing later is used.

    Raises
    ------
    RequestError
        422 where a score is out of range, two of one day differ, there are too many, or days do
        not tell the week of treatment.
    """
    evidence = Evidence(codes, now, _ANY_AGE_DAYS, {})
    evidence.gather([each for each in resources if _may_score(each, landmark.instrument, codes)])
    ordered = sorted(
        (each for each in sessions if not index.is_after(each.start)),
        key=lambda each: each.start.day,
    )
    if not ordered:
        scored = {each.reference for found in evidence.found for each in found.resources}
        return FhirCourse(None, (), dict.fromkeys(scored, _NO_SESSION), suicidal=False)
    first, until = ordered[0].start, _last_day(ordered)
    later = [each for each in evidence.found if each.moment.is_after(first)]
    reasons = {each.reference: each.reason for each in evidence.unused}
    by_day: dict[int, list[Found]] = defaultdict(list)
    for found in later:
        if not found.key.endswith(f"_total:{landmark.instrument}"):
            continue
        day = found.moment.day
        if first.day < day <= until:
            by_day[(day - first.day).days].append(found)
        else:
            reason = _ON_FIRST_DAY if day == first.day else _TOO_LATE
            reasons |= {each.reference: reason for each in found.resources}
    sources = tuple(last_of(by_day[day]) for day in sorted(by_day))
    if sources:
        _check_start([each for each in sessions if index.is_after(each.start)], first)
        _check_pace(ordered, max(by_day), landmark)
    return FhirCourse(
        _course(sources, first, landmark) if sources else None, sources, reasons,
        suicidal=any(each.key == "suicidal_ideation" and each.value is True for each in later),
    )  # fmt: skip


def _may_score(resource: Resource, instrument: str, codes: Codes) -> bool:
    if resource.kind != "Observation":
        return resource.kind == "QuestionnaireResponse"
    row = codes.observation(resource.codings())
    total = row.total if isinstance(row, Item) else row
    return isinstance(total, Total) and total.instrument == instrument


def _last_day(sessions: list[Session]) -> date:
    """Return the last day that is still of the course."""
    reached = sessions[0].end.day
    for each in sessions[1:]:
        if each.start.day - reached > _LONGEST_PAUSE:
            break
        reached = max(reached, each.end.day)
    return reached + _LONGEST_PAUSE


def _check_start(earlier: list[Session], first: Moment) -> None:
    if any(first.day - each.end.day <= _LONGEST_PAUSE for each in earlier):
        problem = (
            "holds sessions from shortly before the last order of TMS, so that the first session "
            "of the course is not certain"
        )
        raise unusable("Bundle", "course_start", problem, f"the first order, or {_BY_SESSIONS}")


def _check_pace(sessions: list[Session], day: int, landmark: LandmarkDocument) -> None:
    first = sessions[0].start.day
    n_single = sum(each.is_single and (each.start.day - first).days <= day for each in sessions)
    a_day = max(1.0, landmark.sessions_a_week / _DAYS_OF_SESSIONS)
    if n_single > floor(a_day * (day + 1)) + _RECORDED_TWICE:
        problem = (
            f"holds more sessions than {a_day:g} a day, so that days do not tell the week of "
            "treatment"
        )
        raise unusable("Bundle", "course_pace", problem, _BY_SESSIONS)


def _course(sources: Sequence[Found], first: Moment, landmark: LandmarkDocument) -> Course:
    if len(sources) > MOST_VISITS:
        raise unusable("Bundle", "too_many_scores", "holds too many scores", f"{MOST_VISITS}")
    visits = tuple(
        CourseVisit(
            day=(each.moment.day - first.day).days,
            score=float(each.value),
            instrument=landmark.instrument,
        )
        for each in sources
    )
    course = Course(visits=visits)
    for problem in course.problems(landmark.instrument, None):
        raise _placed(problem, sources)
    return course


def _placed(problem: FieldProblem, sources: Sequence[Found]) -> Exception:
    """Return a problem of a score as one of the resource that it came from."""
    number = int(problem.field.split(".")[1])
    place = sources[number].resources[0].place
    return unusable(place, "wrong_value", f"the total {problem.problem}", problem.allowed)
