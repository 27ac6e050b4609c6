"""One patient as a row of numbers, in the order of a table of features."""

from collections.abc import Callable, Sequence
from functools import partial
from math import nan

import numpy as np
import numpy.typing as npt

from data_schemas.course import Course
from data_schemas.patient import Patient
from features import clinical, course
from features.connectivity import connectivity_summary
from features.nodes import NodeTable
from features.summary import summarised_connectivity
from features.table import Feature


class PatientRows:
    """How a patient becomes a row of numbers; made once for all patients of a model.

    Parameters
    ----------
    features : sequence of Feature, length p
        From `feature_table`, or `COURSE_FEATURES`.
    nodes : NodeTable, optional
        Of the connectome's atlas, where the label grammar does not know it.
    landmark : Landmark, optional
        When one looks back at the scores during treatment; needed by the features of the course.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        nodes: NodeTable | None = None,
        landmark: course.Landmark | None = None,
    ) -> None:
        self._nodes, self._landmark = nodes, landmark
        self._unknown: list[float | None] = [nan] * len(features)
        # Most features stand in the patient's record as they are, or are one of its codes: no
        # function is called for these.
        self._recorded: list[tuple[int, str]] = []
        self._coded: list[tuple[int, str, str]] = []
        self._computed: list[tuple[int, Callable[[Patient], float]]] = []
        self._together: dict[str, dict[int, str]] = {"networks": {}, "course": {}}
        for column, each in enumerate(features):
            compute = each.compute
            if compute is None:
                self._together[each.domain][column] = each.name
            elif isinstance(compute, partial) and compute.func is clinical.recorded:
                self._recorded.append((column, compute.keywords["field"]))
            elif isinstance(compute, partial) and compute.func is clinical.is_recorded_as:
                coded = compute.keywords
                self._coded.append((column, coded["field"], coded["value"]))
            else:
                self._computed.append((column, compute))

    def row(self, patient: Patient, so_far: Course | None = None) -> npt.NDArray[np.float64]:
        """Return one patient's numbers, with the scores during treatment so far.

        Returns
        -------
        ndarray of shape (p,), float64
            In the order of the features; NaN where unknown.
        """
        # A list, made an array at the end: there None becomes NaN, and a truth value 1 or 0.
        values = self._unknown.copy()
        record = vars(patient)
        for column, name in self._recorded:
            values[column] = record[name]
        for column, name, code in self._coded:
            given = record[name]
            values[column] = None if given is None else given == code
        for column, compute in self._computed:
            values[column] = compute(patient)
        networks, of_course = self._together["networks"], self._together["course"]
        if networks and patient.scan is not None:
            summary, site = patient.connectome_summary, patient.coil_site_mni_mm
            known = (
                connectivity_summary(patient.connectome, site, self._nodes)
                if summary is None
                else summarised_connectivity(summary)
            )
            for column, name in networks.items():
                values[column] = known[name]
        if of_course and self._landmark is not None:
            known = course.course_summary(patient, so_far, self._landmark)
            for column, name in of_course.items():
                values[column] = known[name]
        return np.array(values, dtype=np.float64)


def patient_row(
    patient: Patient,
    features: Sequence[Feature],
    nodes: NodeTable | None = None,
    so_far: Course | None = None,
    landmark: course.Landmark | None = None,
) -> npt.NDArray[np.float64]:
    """Return one patient's numbers, shape (p,); see `PatientRows`."""
    return PatientRows(features, nodes, landmark).row(patient, so_far)
