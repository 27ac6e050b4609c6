"""Which patients, and which connectomes, a model may be asked about."""

from collections.abc import Iterator

from data_schemas.connectome import Connectome
from data_schemas.connectome_summary import ConnectomeSummary
from data_schemas.errors import DataError, FieldProblem, did_you_mean
from data_schemas.patient import Patient
from features.nodes import label_refusal
from features.summary import summary_problems
from serving.model_document import ConnectomeRequirements, ModelDocument


class RefusedPatientError(DataError):
    """A valid patient whom this model cannot be asked about.

    Attributes
    ----------
    code : str
        wrong_instrument, missing_required, invalid_extra or invalid_connectome_summary: the first
        that applies.
    """

    def __init__(self, code: str, message: str, problems: tuple[FieldProblem, ...]) -> None:
        super().__init__(message, problems)
        self.code = code


def refuse_unfit(patient: Patient, document: ModelDocument) -> None:
    """Raise when a patient's record does not fit the model.

    Raises
    ------
    RefusedPatientError
        Where a total was taken with another instrument than the model's (totals are never
        converted), a field that the model requires is missing, a further measurement is not one
        of the model's or out of its declared range, or a summary of a connectome holds what is
        no connectivity feature or cannot be one.
    """
    found = [*_other_instruments(patient, document), *_missing_required(patient, document)]
    if patient.extra:
        found += _unfit_extras(patient, document)
    if patient.connectome_summary is not None:
        problems = summary_problems(patient.connectome_summary)
        found += [("invalid_connectome_summary", problem) for problem in problems]
    if found:
        message = f"The model {document.name} cannot be asked about this patient."
        raise RefusedPatientError(found[0][0], message, tuple(problem for _, problem in found))


def _other_instruments(
    patient: Patient, document: ModelDocument
) -> Iterator[tuple[str, FieldProblem]]:
    scales = (
        ("depression_instrument", document.depression_instrument, patient.depression_total),
        ("anxiety_instrument", document.anxiety_instrument, patient.anxiety_total),
    )
    for field, expected, total in scales:
        if expected is None or total is None:
            continue
        if getattr(patient, field) != expected:
            problem = "is not the instrument of this model, and totals are never converted"
            yield "wrong_instrument", FieldProblem(field, problem, allowed=expected)


def _missing_required(
    patient: Patient, document: ModelDocument
) -> Iterator[tuple[str, FieldProblem]]:
    for field in document.required_fields:
        if getattr(patient, field) is None:
            yield "missing_required", FieldProblem(field, "is required by this model")


def _unfit_extras(patient: Patient, document: ModelDocument) -> Iterator[tuple[str, FieldProblem]]:
    declared = {extra.name: extra for extra in document.extra_measurements}
    for name, value in patient.extra.items():
        extra = declared.get(name)
        if extra is None:
            problem = "is not a measurement of this model." + did_you_mean(name, declared)
            allowed = ", ".join(declared) or "none"
        elif not extra.minimum <= value <= extra.maximum:
            problem = "is out of range"
            allowed = f"{extra.minimum:g} to {extra.maximum:g} {extra.unit}".rstrip()
        else:
            continue
        yield "invalid_extra", FieldProblem(f"extra.{name}", problem, allowed)


def connectome_refusal(
    connectome: Connectome | ConnectomeSummary, requirements: ConnectomeRequirements
) -> str | None:
    """Return why a scan, or its summary, is not used, as a clause without its values, or None."""
    reason = requirements.quality.refusal(connectome)
    if reason is not None:
        return reason
    if isinstance(connectome, Connectome):
        reason = label_refusal(connectome.labels, requirements.node_table)
        if reason is not None:
            return reason
    trained, given = requirements.global_signal_regressed, connectome.global_signal_regressed
    if trained is None or given is None or trained == given:
        return None
    done = "with" if trained else "without"
    return f"the model was trained on scans {done} global signal regression"
