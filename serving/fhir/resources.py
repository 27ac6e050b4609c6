"""The resources of a Bundle: valid R4, one person's, and none of them read twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from data_schemas.errors import FieldProblem
from serving.requests import RequestError

Content = dict[str, Any]

READ_KINDS: Final = (
    "Patient", "Observation", "QuestionnaireResponse", "Condition", "MedicationStatement",
    "MedicationRequest", "Medication", "Procedure", "ServiceRequest",
)  # fmt: skip
MAXIMUM_ENTRIES: Final = 2000
_BUNDLES: Final = ("collection", "searchset", "document")
# Where one of them stands, what it stands in may mean something else, and must not be read on by
# who does not know it: https://hl7.org/fhir/R4/extensibility.html#modifierExtension.
_MODIFIERS: Final = ("modifierExtension", "implicitRules")
# An invariant that the validator does not know: https://hl7.org/fhir/R4/observation.html#invs.
_OBS_6: Final = (
    "breaks invariant obs-6: it has a value and a dataAbsentReason, which says that it has none"
)
# Deeper than any real resource; what is deeper would exhaust the stack of the validator.
_DEEPEST: Final = 40


@dataclass(frozen=True, eq=False)
class Resource:
    """One resource of a kind that is read.

    Attributes
    ----------
    kind : str
    content : dict
        As it was sent, validated.
    place : str
        Where it stands, as a FHIRPath expression.
    reference : str
        `Kind/id`, or the fullUrl of an entry without an id.
    """

    kind: str
    content: Content
    place: str
    reference: str

    def codings(self, element: str = "code") -> list[tuple[str, str]]:
        """Return system and code of each coding of a CodeableConcept."""
        return codings_of(self.content.get(element))


def codings_of(concept: object) -> list[tuple[str, str]]:
    """Return system and code of each complete coding."""
    if not isinstance(concept, dict):
        return []
    return [
        (each["system"], each["code"])
        for each in concept.get("coding") or ()
        if each.get("system") and each.get("code")
    ]


def unusable(place: str, code: str, problem: str, allowed: str = "") -> RequestError:
    """Return the refusal of a resource that is valid but cannot be used, without its values."""
    message = "The resources cannot be used for a prediction; nothing was predicted."
    return RequestError(422, code, message, (FieldProblem(place, problem, allowed),))


def bundle_resources(content: object) -> list[Resource]:
    """Return the resources of a Bundle that are of a kind that is read.

    Raises
    ------
    RequestError
        422 where it is no Bundle, or one of them is not valid R4.
    """
    if not isinstance(content, dict) or content.get("resourceType") != "Bundle":
        raise _invalid("Bundle", "is not a Bundle; send one with the patient's resources")
    if content.get("type") not in _BUNDLES:
        raise _invalid("Bundle.type", "is not one of the allowed types", ", ".join(_BUNDLES))
    entries = content.get("entry")
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAXIMUM_ENTRIES:
        raise _invalid("Bundle.entry", "should be a list", f"1 to {MAXIMUM_ENTRIES} entries")
    _refuse_modifiers("Bundle", {name: content.get(name) for name in _MODIFIERS})
    return list(_read(entries))


def _read(entries: list[Any]) -> Iterator[Resource]:
    seen = set()
    for number, entry in enumerate(entries):
        place = f"Bundle.entry[{number}]"
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            raise _invalid(f"{place}.resource", "is absent")
        kind = resource.get("resourceType")
        if kind not in READ_KINDS:
            continue
        _refuse_modifiers(place, {name: entry.get(name) for name in _MODIFIERS})
        read = checked(kind, resource, f"{place}.resource", entry.get("fullUrl"))
        if read.reference in seen:
            raise unusable(read.place, "duplicate", "has the id of another resource of the Bundle")
        seen.add(read.reference)
        yield read


def checked(kind: str, content: Content, place: str, full_url: object = None) -> Resource:
    """Return a resource that is valid R4.

    Raises
    ------
    RequestError
        422, naming the element and never its value.
    """
    # Reading the classes takes a third of a second; the service need not wait for it.
    from fhir.resources.R4B import get_fhir_model_class  # noqa: PLC0415

    if _is_too_deep(content):
        raise _invalid(place, f"is nested more than {_DEEPEST} levels deep")
    try:
        get_fhir_model_class(kind).model_validate(content)
    except ValidationError as error:
        where = [f"{place}{_path(detail['loc'])}" for detail in error.errors(include_input=False)]
        raise _invalid(where[0] if where else place, f"is not a valid element of {kind}") from None
    except Exception:  # noqa: BLE001  # the library fails in its own ways on strange content
        raise _invalid(place, f"is not a valid {kind}") from None
    if kind == "Observation" and _breaks_obs_6(content):
        raise _invalid(place, _OBS_6, "one of the two")
    _refuse_modifiers(place, content)
    identifier = content.get("id")
    if isinstance(identifier, str) and identifier:
        return Resource(kind, content, place, f"{kind}/{identifier}")
    if isinstance(full_url, str) and full_url:
        return Resource(kind, content, place, full_url)
    raise unusable(place, "no_reference", "needs an id or a fullUrl, so that it can be cited")


def _breaks_obs_6(observation: Content) -> bool:
    given = {name for name, value in observation.items() if value is not None}
    return "dataAbsentReason" in given and any(name.startswith("value") for name in given)


def _refuse_modifiers(place: str, content: Content) -> None:
    for name, value in content.items():
        if name in _MODIFIERS and value:
            problem = "may change the meaning of what it stands in, and is not known here"
            raise unusable(f"{place}.{name}", "modifier_unknown", problem, "none")
        for number, each in enumerate(value if isinstance(value, list) else ()):
            if isinstance(each, dict):
                _refuse_modifiers(f"{place}.{name}[{number}]", each)
        if isinstance(value, dict):
            _refuse_modifiers(f"{place}.{name}", value)


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _invalid(place: str, problem: str, allowed: str = "") -> RequestError:
    message = "The body is not what this route reads; nothing was predicted."
    return RequestError(422, "invalid_fhir", message, (FieldProblem(place, problem, allowed),))


def _is_too_deep(content: Content) -> bool:
    level: list[Any] = [content]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for each in level:
            below.extend(each.values() if isinstance(each, dict) else each)
        level = [each for each in below if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def only_patient(resources: list[Resource]) -> Resource:
    """Return the one Patient, of whom every other resource must be.

    Raises
    ------
    RequestError
        422 where there is none or another one, or a resource is somebody else's or nobody's.
    """
    patients = [each for each in resources if each.kind == "Patient"]
    if len(patients) != 1:
        raise unusable("Bundle", "not_one_patient", "must hold exactly one Patient")
    [patient] = patients
    for each in resources:
        if each.kind in {"Patient", "Medication"}:
            continue
        subject = each.content.get("subject")
        reference = subject.get("reference") if isinstance(subject, dict) else None
        if not _is_of(patient.reference, reference):
            problem = "does not refer to the Patient of this request as its subject"
            raise unusable(f"{each.place}.subject", "other_subject", problem, "that Patient")
    return patient


def _is_of(patient: str, reference: object) -> bool:
    if not isinstance(reference, str):
        return False
    plain = reference.partition("/_history/")[0]
    return plain == patient or ("/" in patient and plain.endswith(f"/{patient}"))
