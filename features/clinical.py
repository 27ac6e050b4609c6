"""Clinical features: one patient, one number. Unknown is NaN, never zero or False."""

from math import log1p, nan

from data_schemas.instruments import get_instrument
from data_schemas.patient import Patient


def recorded(patient: Patient, *, field: str) -> float:
    """Return a number or a yes (1) or no (0) as it stands in the patient's record.

    Examples
    --------
    >>> recorded(Patient(employed=False), field="employed"), recorded(Patient(), field="employed")
    (0.0, nan)
    """
    value = getattr(patient, field)
    return nan if value is None else float(value)


def is_recorded_as(patient: Patient, *, field: str, value: str) -> float:
    """Return 1 where a field holds this value, 0 where it holds another, NaN where unknown."""
    given = getattr(patient, field)
    return nan if given is None else float(given == value)


def further_measurement(patient: Patient, *, name: str) -> float:
    """Return a declared further measurement, in its declared unit."""
    return float(patient.extra.get(name, nan))


def log_episode_duration(patient: Patient) -> float:
    """Return log(1 + months) of the current episode: durations are strongly right-skewed."""
    months = patient.episode_duration_months
    return nan if months is None else log1p(months)


def maudsley_stage(patient: Patient) -> float:
    """Return the Maudsley stage of treatment resistance, 3 to 15; NaN when a part is unknown."""
    stage = patient.maudsley_stage()
    return nan if stage is None else float(stage)


def depression_severity(patient: Patient, *, instrument: str | None = None) -> float:
    """Return the baseline depression total as a share of its instrument's range, 0 to 1.

    Parameters
    ----------
    patient : Patient
    instrument : str, optional
        The only instrument accepted: a total on any other is unknown (NaN). Without it, any is
        taken on its own range, which suits only cohorts with one instrument: half of one range is
        not as ill as half of another.
    """
    return _share_of_range(patient.depression_instrument, patient.depression_total, instrument)


def anxiety_severity(patient: Patient, *, instrument: str | None = None) -> float:
    """Return the baseline anxiety total as a share of its instrument's range, 0 to 1.

    `instrument` restricts it as in `depression_severity`.
    """
    return _share_of_range(patient.anxiety_instrument, patient.anxiety_total, instrument)


def _share_of_range(given: str | None, total: float | None, accepted: str | None) -> float:
    if given is None or total is None or (accepted is not None and accepted != given):
        return nan
    scale = get_instrument(given)
    return (total - scale.minimum) / (scale.maximum - scale.minimum)
