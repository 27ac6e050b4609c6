"""The columns of a simulated cohort: one declaration for tables, sidecars, spec and patients."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

YES_NO: Final = ("no", "yes")
MISSING_TEXT: Final = "n/a"  # as BIDS writes it


@dataclass(frozen=True)
class Column:
    """One column of recorded baseline values.

    Attributes
    ----------
    name : str
        Header of the column, and its key in a draw.
    table : str
        Stem of the file: `participants`, or a file of `phenotype/`.
    field : str
        The Patient field it fills.
    description : str
        Meaning, as the sidecar says it.
    mechanism : str
        What makes it missing: a key of [missing], "anxiety", "duration", or "never".
    unit : str
    levels : tuple of str
        What the codes 0, 1, ... stand for; empty for numbers.
    decimals : int
        Decimals recorded.
    """

    name: str
    table: str
    field: str
    description: str
    mechanism: str
    unit: str = ""
    levels: tuple[str, ...] = ()
    decimals: int = 0

    def texts(self, values: FloatArray) -> list[str]:
        """Return the cells of the column as text, `n/a` where missing."""
        return [self._text(value) for value in values.tolist()]

    def _text(self, value: float) -> str:
        if np.isnan(value):
            return MISSING_TEXT
        return self.levels[int(value)] if self.levels else f"{value:.{self.decimals}f}"


def _yes_no(
    table: str, name: str, description: str, mechanism: str = "", field: str = ""
) -> Column:
    return Column(name, table, field or name, description, mechanism or name, levels=YES_NO)


def _medication(name: str, description: str) -> Column:
    return _yes_no("medication", name, f"Takes {description} at baseline.", "medication")


def _coil(axis: str) -> Column:
    return Column(
        f"coil_{axis}_mni_mm", "plan", "coil_site_mni_mm",
        f"Planned coil site in MNI space, {axis}.", "coil_site", "mm", decimals=1,
    )  # fmt: skip


COLUMNS: Final = (
    Column("age", "participants", "age_years", "Age at the first session.", "never", "years"),
    Column(
        "sex", "participants", "sex", "Sex as recorded.", "never", levels=("male", "female")
    ),
    _yes_no("participants", "employed", "In paid work or study."),
    Column(
        "education_years", "participants", "education_years", "Years of formal education.",
        "education", "years",
    ),
    Column(
        "body_mass_index", "clinical_history", "body_mass_index_kg_m2", "Body mass index.",
        "body_mass_index", "kg/m2", decimals=1,
    ),
    Column(
        "polarity", "clinical_history", "polarity", "Unipolar or bipolar depression.", "polarity",
        levels=("unipolar", "bipolar"),
    ),
    _yes_no("clinical_history", "recurrent", "An earlier depressive episode."),
    _yes_no(
        "clinical_history", "psychotic_features", "Psychotic features in this episode.", "psychotic"
    ),
    Column(
        "episode_duration_months", "clinical_history", "episode_duration_months",
        "Length of the current episode.", "duration", "months", decimals=1,
    ),
    _yes_no("clinical_history", "ptsd", "Post-traumatic stress disorder."),
    Column(
        "failed_trials", "clinical_history", "failed_trials",
        "Antidepressant trials failed at adequate dose and duration, in this episode.",
        "failed_trials", "trials",
    ),
    _yes_no("clinical_history", "augmentation_failed", "An augmentation failed in this episode."),
    _yes_no("clinical_history", "ect_history", "Any earlier electroconvulsive therapy."),
    Column(
        "tms_history", "clinical_history", "tms_history",
        "Earlier TMS: none, with response, or without.", "tms_history",
        levels=("none", "response", "no_response"),
    ),
    _yes_no("clinical_history", "suicidal_ideation", "Any current suicidal ideation."),
    _medication("benzodiazepine", "a benzodiazepine"),
    _medication("antipsychotic", "an antipsychotic"),
    _medication("anticonvulsant", "an anticonvulsant"),
    _medication("stimulant", "a psychostimulant"),
    _medication("lithium", "lithium"),
    _medication("bupropion", "bupropion"),
    _medication("ssri", "a selective serotonin reuptake inhibitor"),
    _medication("snri", "a serotonin-noradrenaline reuptake inhibitor"),
    _medication("tricyclic", "a tricyclic antidepressant"),
    Column(
        "target", "plan", "target", "Planned stimulation target.", "plan",
        levels=("left_dlpfc", "right_dlpfc"),
    ),
    Column(
        "protocol", "plan", "protocol", "Planned stimulation protocol.", "plan",
        levels=("high_frequency", "itbs", "low_frequency"),
    ),
    _coil("x"),
    _coil("y"),
    _coil("z"),
    Column(
        "sessions_planned", "plan", "sessions_planned",
        "Sessions planned before the first one.", "plan", "sessions",
    ),
    Column(
        "gad7_total", "gad7", "anxiety_total", "GAD-7 total before treatment, 0 to 21.",
        "anxiety", "points",
    ),
)  # fmt: skip

BY_NAME: Final = {column.name: column for column in COLUMNS}
