"""The scikit-learn door to the feature table.

Apart from `patient_rows.py`, so that serving, which calls it, starts without scikit-learn.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from data_schemas.errors import DataError
from data_schemas.patient import Patient
from features.nodes import NodeTable
from features.patient_rows import patient_row
from features.table import GROUPS, Feature, feature_table


class PatientFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn patients into rows of numbers.

    It learns nothing from the patients it is fitted on, so that it cannot leak; `fit` does not
    even look at them. Unknown values stay NaN.

    Parameters
    ----------
    groups : sequence of {"clinical", "connectivity"}
        Groups of features to include.
    depression_instrument, anxiety_instrument : str, optional
        The instruments of the model; totals on others are NaN. None takes any instrument.
    extra : sequence of Feature
        Declared further measurements, from `features.table.extra_feature`.
    nodes : NodeTable, optional
        Of the connectomes' atlas, where the label grammar does not know it.

    Examples
    --------
    >>> rows = PatientFeatures(groups=("clinical",)).transform([Patient(age_years=41)])
    >>> rows.shape, rows[0, 0].item()
    ((1, 38), 41.0)
    """

    def __init__(
        self,
        groups: Sequence[str] = GROUPS,
        *,
        depression_instrument: str | None = None,
        anxiety_instrument: str | None = None,
        extra: Sequence[Feature] = (),
        nodes: NodeTable | None = None,
    ) -> None:
        self.groups = groups
        self.depression_instrument = depression_instrument
        self.anxiety_instrument = anxiety_instrument
        self.extra = extra
        self.nodes = nodes

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features, in the order of the columns."""
        return feature_table(
            self.groups,
            depression_instrument=self.depression_instrument,
            anxiety_instrument=self.anxiety_instrument,
            extra=self.extra,
        )

    def fit(self, X: object = None, y: object = None) -> Self:  # noqa: ARG002
        """Check the parameters; patients and outcomes are not looked at.

        Raises
        ------
        ConfigurationError, DataError
            For parameters that `features.table.feature_table` refuses.
        """
        _ = self.features
        return self

    def transform(self, X: Iterable[Patient]) -> npt.NDArray[np.float64]:
        """Return one row a patient.

        Parameters
        ----------
        X : iterable of Patient, length n
            A generator is read once, one patient in memory at a time.

        Returns
        -------
        ndarray of shape (n, p), float64
            Or a DataFrame, after `set_output(transform="pandas")`.

        Raises
        ------
        DataError
            When something else than a Patient arrives, naming its position.
        """
        features = self.features
        rows = [patient_row(patient, features, self.nodes) for patient in _patients(X)]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(features))

    def get_feature_names_out(
        self,
        input_features: object = None,  # noqa: ARG002
    ) -> npt.NDArray[np.object_]:
        """Return the names of the columns; patients have no column names of their own."""
        return np.array([feature.name for feature in self.features], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        return tags


def _patients(given: object) -> Iterator[Patient]:
    # A Patient is itself iterable, over its fields.
    if isinstance(given, Patient) or not isinstance(given, Iterable):
        raise DataError("A list of patients is expected; put a single one into a list.")
    for number, each in enumerate(given, 1):
        if not isinstance(each, Patient):
            kind = type(each).__name__
            raise DataError(
                f"Number {number} is not a Patient but {kind}; build it with "
                "Patient.model_validate."
            )
        yield each
