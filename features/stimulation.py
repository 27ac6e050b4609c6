"""Features of the planned stimulation. Unknown is NaN; a half-known plan is known where it can be.

With a protocol other than low frequency, "low frequency on the right" is no whatever the target:
the two unknowns of a plan combine as in three-valued logic.
"""

from math import nan

from data_schemas.patient import Patient


def theta_burst(patient: Patient) -> float:
    """Return whether the protocol is theta burst, intermittent or continuous: 1, 0 or NaN."""
    return nan if patient.protocol is None else float(patient.protocol in {"itbs", "ctbs"})


def bilateral(patient: Patient) -> float:
    """Return whether both hemispheres are stimulated, by protocol or target: 1, 0 or NaN."""
    by_protocol = None if patient.protocol is None else patient.protocol == "bilateral"
    by_target = None if patient.target is None else patient.target == "bilateral_dlpfc"
    if by_protocol or by_target:
        return 1.0
    return nan if by_protocol is None or by_target is None else 0.0


def low_frequency_right(patient: Patient) -> float:
    """Return whether low frequency is planned over the right DLPFC: 1, 0 or NaN."""
    low_frequency = None if patient.protocol is None else patient.protocol == "low_frequency"
    right = None if patient.target is None else patient.target == "right_dlpfc"
    if low_frequency is False or right is False:
        return 0.0
    return nan if low_frequency is None or right is None else 1.0
