"""The questions of the clinician's page: what the model reads, and nothing else.

What can move a prediction stands first. What no tree asks for is still read: by the interval, and
by the rules that tell whether a patient is like those of the training. It stands apart, folded.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Literal

from pydantic import BaseModel

from data_schemas.connectome import Connectome
from data_schemas.extra import ExtraDeclaration
from data_schemas.instruments import INSTRUMENTS, get_instrument
from data_schemas.patient import Patient
from data_schemas.patient_rules import SEVERITY_DOMAINS
from features.table import YES_NO
from serving.known_scanners import named_features
from serving.model_document import ModelDocument

Kind = Literal["number", "yes_no", "choice", "coordinates", "file"]

NOT_LISTED: Final = "not-listed"
_EXTRA: Final = "extra."
# The fields of Patient stand in groups; each begins with the field named here.
_GROUPS: Final = {
    "age_years": "Person",
    "polarity": "Illness",
    "failed_trials": "Resistance to treatment",
    "depression_instrument": "Severity",
    "benzodiazepine": "Medication at baseline",
    "target": "Treatment plan",
    "site": "Clinic",
    "connectome": "Connectome",
    "extra": "Further measurements",
}
# Where no feature has the field's own name, and thereby a label for it.
_LABELS: Final = {
    "sex": "Sex",
    "polarity": "Polarity",
    "episode_duration_months": "Length of the current episode",
    "tms_history": "Earlier TMS",
    "depression_instrument": "Depression scale",
    "depression_total": "Depression total",
    "anxiety_instrument": "Anxiety scale",
    "anxiety_total": "Anxiety total",
    "target": "Target",
    "protocol": "Protocol",
    "coil_site_mni_mm": "Coil site",
    "site": "Clinic",
    "connectome": "File of the connectome",
    "n_volumes": "Volumes retained",
    "mean_framewise_displacement_mm": "Mean framewise displacement",
    "global_signal_regressed": "Global signal regressed out",
}
_CHOICES: Final = {
    "none": "None",
    "response": "Yes, with response",
    "no_response": "Yes, without response",
    "left_dlpfc": "Left DLPFC",
    "right_dlpfc": "Right DLPFC",
    "bilateral_dlpfc": "Both DLPFC",
    "dmpfc": "Dorsomedial prefrontal cortex",
    "frontal_pole": "Frontal pole",
    "high_frequency": "High frequency",
    "low_frequency": "Low frequency",
    "itbs": "Intermittent theta burst (iTBS)",
    "ctbs": "Continuous theta burst (cTBS)",
    "bilateral": "Bilateral sequence",
}
_QUALITY_UNITS: Final = {"n_volumes": "volumes", "mean_framewise_displacement_mm": "mm"}
_FILE_HELP: Final = (
    "A matrix of Pearson correlations or a time series, such as XCP-D's *_relmat.tsv; at most 20 "
    "MB. Its name is not kept."
)
_ANOTHER_CLINIC: Final = "A clinic that is not listed"
_FOLDED: Final = "Not used for the probability"


@dataclass(frozen=True)
class Choice:
    """One of the answers to a question; an instrument has a range of totals."""

    value: str
    label: str
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Question:
    """One question, which may be left unknown.

    Attributes
    ----------
    field : str
        Where the answer goes: a field of `Patient`, `extra.NAME`, or what `quality` of an upload
        holds.
    part : {"patient", "quality"}
        Which of the two it goes into.
    label, text, unit : str
        Its name, its meaning, and the unit of a number.
    kind : str
        What is answered.
    minimum, maximum : float or None
        Both ends of what is accepted.
    choices : tuple of Choice
        Where it is a choice.
    fixed : tuple of (str, str) or None
        A further field, and what it must hold, once this one is answered: the model's instrument.
    leaned_on : bool
        Whether the model leans on a feature made of it.
    required : bool
        Whether the model refuses without.
    moves : bool
        Whether an answer can move the prediction.
    """

    field: str
    label: str
    text: str
    kind: Kind
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Choice, ...] = ()
    fixed: tuple[str, str] | None = None
    part: Literal["patient", "quality"] = "patient"
    leaned_on: bool = False
    required: bool = False
    moves: bool = True

    @property
    def name(self) -> str:
        """The field as a part of an HTML id."""
        return self.field.replace(".", "-")

    @property
    def range(self) -> str:
        """What is accepted, as a phrase; empty where there are not both ends."""
        if self.minimum is None or self.maximum is None:
            return ""
        return f"{self.minimum:g} to {self.maximum:g}"


@dataclass(frozen=True)
class Group:
    """Questions under one heading; `folded` where none of them can move a prediction."""

    title: str
    questions: tuple[Question, ...]
    folded: bool = False

    @property
    def is_checklist(self) -> bool:
        """Whether all are answered with yes or no, as a list of drugs is."""
        return all(question.kind == "yes_no" for question in self.questions)


def form_of(document: ModelDocument, in_trees: Collection[str]) -> tuple[Group, ...]:
    """Return the questions that a model needs answered, in the order of `Patient`.

    A field is asked for where a tree splits on a feature made of it, or where the model requires
    it or takes the scanner's effect away by it. A total comes without its instrument where the
    model knows one. Fields of which only the interval and the rules of abstention make use come
    last, in a folded group.

    Parameters
    ----------
    document : ModelDocument
    in_trees : collection of str
        The features that a tree splits on.
    """
    moving, read, leaned_on = _used_fields(document, in_trees)
    required = set(document.required_fields)
    groups: dict[str, list[Question]] = {}
    title = ""
    for field in Patient.model_fields:
        title = _GROUPS.get(field, title)
        for question in _questions(field, document, moving | read | required):
            moves = _place_of(question) in moving or question.field in required
            marked = replace(
                question,
                leaned_on=question.field in leaned_on,
                required=question.field in required,
                moves=moves,
            )
            groups.setdefault(title if moves else _FOLDED, []).append(marked)
    folded = groups.pop(_FOLDED, [])
    found = [Group(name, tuple(questions)) for name, questions in groups.items()]
    return (*found, *([Group(_FOLDED, tuple(folded), folded=True)] if folded else []))


def _place_of(question: Question) -> str:
    """Return the field that a question is about; what is known of a scan goes with the scan."""
    return "connectome" if question.part == "quality" else question.field


def _used_fields(
    document: ModelDocument, in_trees: Collection[str]
) -> tuple[set[str], set[str], set[str]]:
    """Return the fields that can move a prediction, that are read at all, and that are leaned on.

    Read is what the training patients' values are kept of: `serving.abstention` and
    `serving.notices` hold a patient against them.
    """
    names = [feature.name for feature in document.features]
    moving: set[str] = {"site"} if document.sites else set()
    read: set[str] = set()
    leaned_on: set[str] = set()
    for feature, described in zip(named_features(document, names), document.features, strict=True):
        if described.name in in_trees:
            moving.update(feature.fields)
        if described.reference is not None:
            read.update(feature.fields)
        # As `serving.notices` has it.
        if described.importance > 1 / len(names) and not document.serves_base_rate:
            leaned_on.update(feature.fields)
    covariates = document.harmonisation.covariates if document.harmonisation else ()
    for feature in named_features(document, covariates):
        moving.update(feature.fields)
    # The file stands for its summary.
    moving |= {"connectome"} if "connectome_summary" in moving else set()
    return moving, read, leaned_on


def _questions(field: str, document: ModelDocument, used: set[str]) -> Iterator[Question]:
    if field == "extra":
        for declared in document.extra_measurements:
            if _EXTRA + declared.name in used:
                yield _measurement(declared)
    elif field == "connectome":
        if {"connectome", "connectome_summary"} & used:
            yield Question(field, _LABELS[field], _FILE_HELP, "file")
            yield from _quality()
    elif field not in used or field in {"connectome_summary", "depression_items"}:
        # The file stands for a summary, and the total for its items.
        return
    elif field == "site":
        yield _clinic(document)
    elif field.endswith("_instrument"):
        if _instrument(field, document) is None:
            yield _scale(field)
    elif field in {"depression_total", "anxiety_total"}:
        yield _total(field, document)
    else:
        yield _recorded(field, document)


@cache
def _properties(record: type[BaseModel]) -> dict[str, Any]:
    properties: dict[str, Any] = record.model_json_schema()["properties"]
    return properties


def _recorded(field: str, document: ModelDocument) -> Question:
    """Return the question that the schema of the field describes by itself."""
    declared = _properties(Patient)[field]
    labels = {feature.name: feature.label for feature in document.features}
    label = _LABELS.get(field) or labels.get(field) or field.replace("_", " ").capitalize()
    return _described(field, label, declared)


def _described(field: str, label: str, declared: dict[str, Any]) -> Question:
    kind: Kind = "number"
    shape = declared["anyOf"][0]
    if shape["type"] == "array":
        kind, shape = "coordinates", shape["prefixItems"][0]
    elif shape["type"] == "boolean":
        kind = "yes_no"
    elif "enum" in shape:
        kind = "choice"
    choices = tuple(
        Choice(value, _CHOICES.get(value, value.capitalize())) for value in shape.get("enum", ())
    )
    text: str = declared["description"]
    # Where the meaning is the name, once is enough.
    told = text.rstrip(".").casefold() == label.casefold()
    return Question(
        field, label, "" if told else text, kind, declared.get("unit", ""),
        shape.get("minimum"), shape.get("maximum"), choices,
    )  # fmt: skip


def _measurement(declared: ExtraDeclaration) -> Question:
    text = f"{declared.meaning.rstrip('.')}."
    if declared.unit == YES_NO:
        return Question(_EXTRA + declared.name, declared.label, text, "yes_no")
    return Question(
        _EXTRA + declared.name, declared.label, text, "number", declared.unit,
        declared.minimum, declared.maximum,
    )  # fmt: skip


def _quality() -> Iterator[Question]:
    properties = _properties(Connectome)
    for field in ("n_volumes", "mean_framewise_displacement_mm", "global_signal_regressed"):
        question = _described(field, _LABELS[field], properties[field])
        text = f"{question.text.rstrip('.')}; counts before what the file says."
        yield replace(question, text=text, unit=_QUALITY_UNITS.get(field, ""), part="quality")


def _clinic(document: ModelDocument) -> Question:
    listed = tuple(Choice(site, site) for site in document.sites)
    other = Choice(NOT_LISTED, _ANOTHER_CLINIC)
    text = "Where the patient is treated: for scanner effects and reservations, not as a predictor."
    return Question("site", _LABELS["site"], text, "choice", choices=(*listed, other))


def _instrument(field: str, document: ModelDocument) -> str | None:
    if field.startswith("depression"):
        return document.depression_instrument
    return document.anxiety_instrument


def _scale(field: str) -> Question:
    domains = ("anxiety",) if field.startswith("anxiety") else SEVERITY_DOMAINS
    choices = tuple(
        Choice(each.name, f"{each.name}: {each.full_name}", each.minimum, each.maximum)
        for each in INSTRUMENTS.values()
        if each.domain in domains
    )
    return Question(field, _LABELS[field], "The scale of the total.", "choice", choices=choices)


def _total(field: str, document: ModelDocument) -> Question:
    label = _LABELS[field]
    name = _instrument(field, document)
    if name is None:
        text = "Baseline total on that scale, in its range."
        return Question(field, label, text, "number", "points")
    scale = get_instrument(name)
    return Question(
        field, f"{label}, {name}", f"Baseline total on the {scale.full_name}; of no other scale.",
        "number", "points", scale.minimum, scale.maximum,
        fixed=(field.replace("_total", "_instrument"), name),
    )  # fmt: skip
