"""Take the effect of a patient's scanner out of his connectivity, where it was learned."""

from collections.abc import Iterator, Sequence

import numpy as np

from data_schemas.errors import ModelError, did_you_mean
from data_schemas.patient import Patient
from data_schemas.prediction import Notice
from features.patient_rows import PatientRows
from features.table import COURSE_FEATURES, Feature, extra_feature, feature_table
from serving.booster_text import FloatArray
from serving.model_document import ModelDocument


class KnownScanners:
    """The scanners of a model.

    Parameters
    ----------
    document : ModelDocument
        Whose `harmonisation` is applied; nothing is done where there is none.

    Raises
    ------
    ModelError
        When it names a feature that the model does not have.
    """

    def __init__(self, document: ModelDocument) -> None:
        self._effects = document.harmonisation
        self._told = self._effects is not None and not document.serves_base_rate
        names = [each.name for each in document.features]
        harmonised = self._effects.features if self._effects else ()
        if not set(harmonised) <= set(names):
            raise ModelError(
                "model.json harmonises features that are not the model's; train the model again."
            )
        self._columns = [names.index(name) for name in harmonised]
        covariates = self._effects.covariates if self._effects else ()
        self._covariates = PatientRows(named_features(document, covariates))

    def without(self, row: FloatArray, patient: Patient) -> FloatArray:
        """Return a patient's features without the effect of his scanner.

        Parameters
        ----------
        row : ndarray of float64, shape (p,)
            As measured, in the order of the document's features.
        """
        if self._effects is None or not self._effects.knows(patient.site):
            return row
        covariates = self._covariates.row(patient)[None]
        adjusted = row.copy()
        adjusted[self._columns] = self._effects.without(
            row[None, self._columns], np.array([patient.site]), covariates
        )[0]
        return adjusted

    def notices(self, patient: Patient) -> Iterator[Notice]:
        """Yield what to know of the scanner of a patient whose connectome is used."""
        effects = self._effects if self._told else None
        if effects and effects.sites and not effects.knows(patient.site):
            message = (
                "The model has not learned the scanner of this site; connectivity is used as it "
                "was measured. `tms-response adapt` learns a scanner from a handful of scans."
            )
            yield Notice(code="site_unseen_for_harmonisation", field="site", message=message)


def named_features(document: ModelDocument, names: Sequence[str]) -> tuple[Feature, ...]:
    """Return how to compute features for a model, by their names.

    Raises
    ------
    ModelError
        For a feature that this release does not compute.
    """
    table = feature_table(
        depression_instrument=document.depression_instrument,
        anxiety_instrument=document.anxiety_instrument,
        extra=[
            extra_feature(each.name, each.label, each.unit, each.group)
            for each in document.extra_measurements
        ],
    )
    known = {feature.name: feature for feature in (*table, *COURSE_FEATURES)}
    for name in names:
        if name not in known:
            raise ModelError(
                f"The model uses a feature '{name}' that this release does not compute."
                f"{did_you_mean(name, known)} Train the model again."
            )
    return tuple(known[name] for name in names)
