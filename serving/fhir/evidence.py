"""What each resource says of a Patient, and why some are left unused.

A resource counts when its status says so, it is dated no later than the index date and, where its
row of the mapping table asks for it, no earlier than the recency window. Everything else is set
aside with its reason; a value in another unit or form is refused.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from data_schemas.errors import DataError
from data_schemas.instruments import get_instrument
from serving.fhir.codes import Codes, Item, Measure, Total
from serving.fhir.moments import Moment, latest
from serving.fhir.resources import Resource, codings_of, unusable
from serving.fhir.values import answer_score, has_value, measured, score

OBSERVED: Final = frozenset({"final", "amended", "corrected"})
_ANSWERED: Final = frozenset({"completed", "amended"})
_ACTIVE: Final = frozenset({"active", "recurrence", "relapse"})

AFTER_INDEX: Final = "dated after the index date"

Value = float | str | bool


@dataclass(frozen=True)
class Found:
    """One value, from where it comes and when it was true.

    Attributes
    ----------
    key : str
        Field of Patient, or `depression_total:INSTRUMENT` and `anxiety_total:INSTRUMENT`.
    value : float, str or bool
    moment : Moment
    resources : tuple of Resource
        All that were needed for it.
    """

    key: str
    value: Value
    moment: Moment
    resources: tuple[Resource, ...]


@dataclass(frozen=True)
class Unused:
    """A resource that was set aside, and why."""

    reference: str
    reason: str


def last_of(given: list[Found]) -> Found:
    """Return the last of several values of one key.

    Raises
    ------
    RequestError
        422 where two that may be the last differ.
    """
    kept = [
        each
        for each, is_last in zip(given, latest([each.moment for each in given]), strict=True)
        if is_last
    ]
    if len({each.value for each in kept}) > 1:
        name = kept[0].key.replace(":", " of ")
        problem = f"{name} is given more than once at the same time, with different values"
        raise unusable(kept[0].resources[0].place, "conflict", problem, "one value")
    return merged(kept)


def merged(given: list[Found]) -> Found:
    """Return equal values as one, from the resources of all."""
    resources = tuple(dict.fromkeys(resource for each in given for resource in each.resources))
    return Found(given[0].key, given[0].value, given[0].moment, resources)


class Evidence:
    """What the resources say, gathered one after the other.

    Parameters
    ----------
    codes : Codes
        The mapping table.
    until : Moment
        The index date, or now where that is still to come. Nothing later is used.
    recency_days : int
        How old a recent measurement may be then.
    medications : dict of str to Resource
        Medication resources by reference.
    """

    def __init__(
        self, codes: Codes, until: Moment, recency_days: int, medications: dict[str, Resource]
    ) -> None:
        self.found: list[Found] = []
        self.diagnosed: list[Found] = []
        self.unused: list[Unused] = []
        self.incomplete: list[str] = []
        self._codes, self._until, self._recency_days = codes, until, recency_days
        self._medications = medications
        self._items: dict[tuple[str, Moment], dict[str, tuple[int, Resource]]] = defaultdict(dict)

    def gather(self, resources: list[Resource]) -> None:
        """Read all of them."""
        readers = {
            "Observation": self._observation,
            "QuestionnaireResponse": self._questionnaire,
            "Condition": self._condition,
            "MedicationStatement": self._medication,
            "MedicationRequest": self._medication,
        }
        for resource in resources:
            if resource.kind in readers:
                readers[resource.kind](resource)
        for (_, moment), answers in self._items.items():
            self._add_items(moment, answers)

    def _set_aside(self, resource: Resource, reason: str) -> None:
        self.unused.append(Unused(resource.reference, reason))

    def _dated(self, resource: Resource, text: object, *, recent: bool) -> Moment | None:
        """Return when a resource was true, or set it aside."""
        moment = Moment.parse(text)
        if moment is None:
            self._set_aside(resource, "no date that is precise to the day")
        elif moment.is_after(self._until):
            self._set_aside(resource, AFTER_INDEX)
        elif recent and moment.days_before(self._until) > self._recency_days:
            self._set_aside(resource, f"more than {self._recency_days} days before the index date")
        else:
            return moment
        return None

    def _observation(self, resource: Resource) -> None:
        row = self._codes.observation(resource.codings())
        if row is None:
            self._set_aside(resource, "its code is not in the mapping table")
            return
        if resource.content.get("status") not in OBSERVED:
            self._set_aside(resource, "its status is not final, amended or corrected")
            return
        if resource.content.get("focus"):
            self._set_aside(resource, "its focus is somebody or something else than its subject")
            return
        if not has_value(resource):
            self._set_aside(resource, "it has no value")
            return
        recent = row.recent if isinstance(row, Measure) else True
        moment = self._dated(resource, _effective(resource.content), recent=recent)
        if moment is not None:
            self._measured(resource, row, moment)

    def _measured(self, resource: Resource, row: Total | Measure | Item, moment: Moment) -> None:
        systems = self._codes.table.systems
        if isinstance(row, Measure):
            value = measured(resource, row, systems)
            self.found.append(Found(row.field, value, moment, (resource,)))
        elif isinstance(row, Total):
            total = score(resource, row.loinc or row.local or "", systems)
            self.found.append(Found(_key(row), float(total), moment, (resource,)))
        else:
            points = score(resource, row.code, systems)
            answers = self._items[row.total.instrument, moment]
            if answers.setdefault(row.code, (points, resource))[0] != points:
                raise _contradiction(resource, row.code)
            self._suicidal(row.total, row.code, points, moment, resource)

    def _suicidal(
        self, total: Total, code: str, points: int, moment: Moment, resource: Resource
    ) -> None:
        if code == total.suicidal_item:
            self.found.append(Found("suicidal_ideation", points > 0, moment, (resource,)))

    def _add_items(self, moment: Moment, answers: dict[str, tuple[int, Resource]]) -> None:
        """Sum items that were observed one by one, where all of them were."""
        item = self._codes.observation([(self._codes.table.systems.loinc, next(iter(answers)))])
        assert isinstance(item, Item)  # noqa: S101  # it was read as one
        scores = {code: points for code, (points, _) in answers.items()}
        resources = tuple(dict.fromkeys(resource for _, resource in answers.values()))
        self._sum(item.total, scores, moment, resources)

    def _sum(
        self, total: Total, scores: dict[str, int], moment: Moment, resources: tuple[Resource, ...]
    ) -> None:
        missing = [code for code in total.items if code not in scores]
        if missing:
            self.incomplete.append(f"{total.instrument} without {', '.join(missing)}")
            for resource in resources:
                self._set_aside(resource, f"not all items of {total.instrument}; never prorated")
            return
        try:
            points = get_instrument(total.instrument).total_from_items(
                tuple(scores[code] for code in total.items)
            )
        except DataError as error:
            raise unusable(resources[0].place, "wrong_value", error.message) from None
        self.found.append(Found(_key(total), float(points), moment, resources))

    def _questionnaire(self, resource: Resource) -> None:
        if resource.content.get("status") not in _ANSWERED:
            self._set_aside(resource, "its status is not completed or amended")
            return
        answers = self._answers(resource)
        if not answers:
            self._set_aside(resource, "no linkId is a code of the mapping table")
            return
        moment = self._dated(resource, resource.content.get("authored"), recent=True)
        if moment is None:
            return
        for total in self._codes.table.totals:
            self._questionnaire_total(resource, total, answers, moment)

    def _questionnaire_total(
        self, resource: Resource, total: Total, answers: dict[str, Any], moment: Moment
    ) -> None:
        scores = {code: answers[code] for code in total.items if code in answers}
        stated = answers.get(total.loinc) if total.loinc else None
        if stated is not None:
            self.found.append(Found(_key(total), float(stated), moment, (resource,)))
        if scores and (stated is None or len(scores) == len(total.items)):
            self._sum(total, scores, moment, (resource,))
        for code, points in scores.items():
            self._suicidal(total, code, points, moment, resource)

    def _answers(self, resource: Resource) -> dict[str, int]:
        """Return the score of each answered item whose linkId is, or ends in, a LOINC code."""
        loinc = self._codes.table.systems.loinc
        scores: dict[str, int] = {}
        for place, item in _items(resource):
            code = str(item.get("linkId")).rpartition("/")[2]
            row = self._codes.observation([(loinc, code)])
            given = item.get("answer") or ()
            if not isinstance(row, Total | Item) or not given:
                continue
            if len(given) > 1:
                raise _contradiction(resource, code)
            meanings = (row.total if isinstance(row, Item) else row).answers
            points = answer_score(given[0], place, code, meanings, loinc)
            if scores.setdefault(code, points) != points:
                raise _contradiction(resource, code)
        return scores

    def _condition(self, resource: Resource) -> None:
        row = self._codes.diagnosis(resource.codings())
        if row is None:
            self._set_aside(resource, "its code is not in the mapping table")
            return
        status = {code for _, code in resource.codings("clinicalStatus")}
        verified = {code for _, code in resource.codings("verificationStatus")} or {"confirmed"}
        if not status & _ACTIVE or verified != {"confirmed"}:
            self._set_aside(resource, "not an active, confirmed diagnosis")
            return
        since = resource.content.get("onsetDateTime") or resource.content.get("recordedDate")
        moment = self._until if since is None else self._dated(resource, since, recent=False)
        if moment is not None:
            for field, value in row.sets.items():
                self.diagnosed.append(Found(field, value, moment, (resource,)))

    def _medication(self, resource: Resource) -> None:
        rows = self._codes.medications(self._substances(resource))
        content = resource.content
        if not rows:
            self._set_aside(resource, "its code is not in the mapping table")
            return
        if content.get("status") != "active" or content.get("doNotPerform"):
            self._set_aside(resource, "not an active medication")
            return
        period = content.get("effectivePeriod") or {}
        end = Moment.parse(period.get("end"))
        if end is not None and self._until.is_after(end):
            self._set_aside(resource, "ended before the index date")
            return
        since = content.get("authoredOn") or content.get("effectiveDateTime") or period.get("start")
        moment = self._until if since is None else self._dated(resource, since, recent=False)
        if moment is not None:
            # Active now: as true at the index date as what was measured last.
            for row in rows:
                self.found.append(Found(row.field, True, self._until, (resource,)))

    def _substances(self, resource: Resource) -> list[tuple[str, str]]:
        content = resource.content
        codings = codings_of(content.get("medicationCodeableConcept"))
        target = (content.get("medicationReference") or {}).get("reference", "")
        if target.startswith("#"):
            for contained in content.get("contained") or ():
                if contained.get("id") == target[1:]:
                    codings += codings_of(contained.get("code"))
        elif target in self._medications:
            codings += self._medications[target].codings()
        return codings


def _key(total: Total) -> str:
    return f"{total.domain}_total:{total.instrument}"


def _contradiction(resource: Resource, code: str) -> Exception:
    problem = f"{code} is given more than once at the same time, with different values"
    return unusable(resource.place, "conflict", problem, "one value")


def _effective(content: dict[str, Any]) -> object:
    period = content.get("effectivePeriod") or {}
    return (
        content.get("effectiveDateTime")
        or content.get("effectiveInstant")
        or period.get("end")
        or period.get("start")
    )


def _items(resource: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every item of a questionnaire, with its place."""
    waiting = [(resource.place, resource.content)]
    while waiting:
        place, parent = waiting.pop()
        below = [*(parent.get("item") or ())]
        for answer in parent.get("answer") or ():
            below += answer.get("item") or ()
        for number, item in enumerate(below):
            where = f"{place}.item[{number}]"
            waiting.append((where, item))
            yield where, item
