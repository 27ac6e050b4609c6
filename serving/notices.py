"""The reservations that stand beside a prediction. None of them repeats a patient's value."""

from collections.abc import Iterator
from functools import lru_cache

from data_schemas.patient import Patient
from data_schemas.prediction import Notice
from serving.abstention import Compared
from serving.asked_units import asked_range
from serving.model_document import FeatureDocument, ModelDocument

RESEARCH_USE = Notice(
    code="research_use",
    message="Research use only; not a medical device. A low probability does not mean that TMS "
    "should be withheld.",
)

_NO_CONNECTOME = Notice(
    code="connectome_missing",
    field="connectome",
    message="No connectome was given; the model uses the clinical inputs alone.",
)
_PROCESSING_UNKNOWN = Notice(
    code="connectome_processing_unknown",
    field="connectome",
    message="Whether the global signal was regressed out of the scan was not stated; the sign of "
    "anticorrelations depends on it.",
)


def standing_notices(document: ModelDocument) -> tuple[Notice, ...]:
    """Return the notices that every prediction of a model carries."""
    notices = []
    population = document.trained_on
    if document.serves_base_rate and document.abstention.always is None:
        message = (
            "The model found no usable signal: it answers with the base rate, whatever is known "
            "of the patient."
        )
        notices.append(Notice(code="base_rate_only", message=message))
    if not population.is_tms:
        message = f"Trained on patients who received {population.treatment}, not TMS."
        notices.append(Notice(code="not_trained_on_tms", message=message))
    if population.simulated:
        message = "Trained on simulated patients; not for use in the care of real ones."
        notices.append(Notice(code="simulated_training_data", message=message))
    return (*notices, RESEARCH_USE)


def site_notices(patient: Patient, document: ModelDocument) -> tuple[Notice, ...]:
    """Return a notice where the patient's site was not among the training sites."""
    if patient.site is None or not document.sites or patient.site in document.sites:
        return ()
    message = "No training patient came from this site; calibration may differ there."
    return (Notice(code="unseen_site", field="site", message=message),)


def connectome_notices(
    patient: Patient, document: ModelDocument, refusal: str | None
) -> tuple[Notice, ...]:
    """Return what became of the connectome, for a model that uses one."""
    if document.serves_base_rate:
        return ()
    if patient.scan is None:
        return (_NO_CONNECTOME,)
    if refusal is not None:
        message = f"The connectome was not used: {refusal}."
        return (Notice(code="connectome_refused", field="connectome", message=message),)
    return (_PROCESSING_UNKNOWN,) if _processing_unknown(patient, document) else ()


def _processing_unknown(patient: Patient, document: ModelDocument) -> bool:
    given = patient.scan.global_signal_regressed if patient.scan else None
    return document.connectome.global_signal_regressed is not None and given is None


def input_notices(
    patient: Compared, document: ModelDocument, *, connectome: bool
) -> Iterator[Notice]:
    """Yield a notice for each input that is out of the training range, or missing and important.

    The training range is the usual one of the feature's `ReferenceDistribution`. Without a usable
    connectome the features made of it are not named one by one.

    Parameters
    ----------
    patient : Compared
        With the model's training cohort.
    document : ModelDocument
        Of the model.
    connectome : bool
        Whether the patient's connectome is used.
    """
    for column in patient.unusual:
        yield _out_of_range(document.features[column], document)
    if document.serves_base_rate:
        return
    for column in patient.lacking:
        feature = document.features[column]
        if connectome or feature.domain != "networks":
            yield _missing(feature.name, feature.label)


@lru_cache(maxsize=1024)
def _missing(name: str, label: str) -> Notice:
    message = f"{label} is unknown; the model leans on it."
    return Notice(code="missing_input", field=name, message=message)


def _out_of_range(feature: FeatureDocument, document: ModelDocument) -> Notice:
    reference = feature.reference
    assert reference is not None  # noqa: S101  # its range is infinite otherwise
    span = asked_range(feature, reference.lowest_usual, reference.highest_usual, document)
    message = (
        f"{feature.label} is outside the range of about 98 % of the training patients ({span})."
    )
    return Notice(code="out_of_range", field=feature.name, message=message)
