"""Every feature, listed: name, meaning, unit, direction where it is known, and how it is computed.

To add one: write its function in the file of its modality, add its line here and its test.

A sign (`monotone`) constrains the boosted trees, so one is given only where studies agree on the
direction. Anxiety has none: it lowered remission in THREE-D (Trevizol 2020) and response in a
registry of 1,820 (doi:10.4088/JCP.22m14571), but made no difference in a cohort of 248, and the
minimal responders among the clusters of THREE-D were the less anxious. Baseline severity has
none: it lowers remission, which then lies further away, but not response. Age, sex, diagnoses and
networks have none either.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

from data_schemas.errors import ConfigurationError, did_you_mean
from data_schemas.instruments import get_instrument
from data_schemas.patient import Patient
from features import clinical, course, stimulation
from features.atlas import NETWORKS
from features.connectivity import (
    BETWEEN,
    COIL_SITE_SGACC_PROXY,
    DLPFC_SGACC_PROXY,
    SEGREGATION,
    WITHIN,
)

Domain = Literal[
    "severity", "history", "medication", "person", "plan", "networks", "extra", "course"
]
Group = Literal["clinical", "connectivity"]
Sign = Literal[-1, 0, 1]

GROUPS: Final[tuple[Group, ...]] = ("clinical", "connectivity")


@dataclass(frozen=True)
class Feature:
    """One number that a model may learn from.

    Attributes
    ----------
    name : str
        Column name.
    label : str
        Name in plain language, for reports.
    unit : str
        Unit of the number.
    domain : str
        What the feature is about; explanations are grouped by it.
    fields : tuple of str
        The Patient fields it is computed from.
    group : {"clinical", "connectivity"}
        Comparators are trained on one group or both.
    monotone : {-1, 0, 1}
        Direction in which a higher number moves the chance of response; 0 where not established.
    monotone_source : str
        Study behind the sign.
    compute : callable or None
        Patient to number, NaN where unknown. None for connectivity features, which are computed
        together, once a connectome, by `features.connectivity.connectivity_summary`, and for those
        of the course, by `features.course.course_summary`.
    """

    name: str
    label: str
    unit: str
    domain: Domain
    fields: tuple[str, ...]
    group: Group = "clinical"
    monotone: Sign = 0
    monotone_source: str = ""
    compute: Callable[[Patient], float] | None = field(default=None, compare=False, repr=False)


def _recorded(
    name: str, label: str, unit: str, domain: Domain, *, monotone: Sign = 0, source: str = ""
) -> Feature:
    """Return the feature that is the Patient field of the same name."""
    compute = partial(clinical.recorded, field=name)
    return Feature(name, label, unit, domain, (name,), "clinical", monotone, source, compute)


def _coded(name: str, label: str, domain: Domain, where: str, value: str) -> Feature:
    """Return the yes/no feature "Patient field `where` holds `value`"."""
    compute = partial(clinical.is_recorded_as, field=where, value=value)
    return Feature(name, label, YES_NO, domain, (where,), compute=compute)


YES_NO: Final = "1 yes, 0 no"
LOG_MONTHS: Final = "log(1 + months)"

_PERSON = (
    _recorded("age_years", "Age", "years", "person"),
    _coded("female", "Female sex", "person", "sex", "female"),
    _recorded(
        "employed", "In paid work or study", YES_NO, "person", monotone=1,
        source="Trevizol 2020: OR for remission 1.69 (1.06-2.7)",
    ),
    _recorded("education_years", "Years of education", "years", "person"),
    _recorded("body_mass_index_kg_m2", "Body mass index", "kg/m2", "person"),
)  # fmt: skip

_HISTORY = (
    _coded("bipolar", "Bipolar depression", "history", "polarity", "bipolar"),
    _recorded("recurrent", "Recurrent depression", YES_NO, "history"),
    _recorded("psychotic_features", "Psychotic features", YES_NO, "history"),
    Feature(
        "log_episode_duration", "Length of the current episode", LOG_MONTHS, "history",
        ("episode_duration_months",), monotone=-1,
        monotone_source="Fitzgerald 2016, doi:10.1002/da.22503 (1,132 patients): shorter is "
        "better; aBLTBS trial: OR 0.9945 a month",
        compute=clinical.log_episode_duration,
    ),
    _recorded("onset_age_years", "Age at the first episode", "years", "history"),
    _recorded("anxiety_disorder", "Anxiety disorder", YES_NO, "history"),
    _recorded("ptsd", "Post-traumatic stress disorder", YES_NO, "history"),
    _recorded("personality_disorder", "Personality disorder", YES_NO, "history"),
    _recorded("substance_use_disorder", "Substance use disorder", YES_NO, "history"),
    _recorded(
        "failed_trials", "Antidepressant trials failed in this episode", "trials", "history",
        monotone=-1, source="Trevizol 2020: OR for remission 0.51 (0.27-0.98)",
    ),
    _recorded("augmentation_failed", "Augmentation has failed", YES_NO, "history"),
    _recorded("ect_history", "Earlier electroconvulsive therapy", YES_NO, "history"),
    _coded(
        "previous_tms_response", "Earlier TMS with response", "history", "tms_history", "response"
    ),
    _coded(
        "previous_tms_non_response", "Earlier TMS without response", "history", "tms_history",
        "no_response",
    ),
    Feature(
        "maudsley_stage", "Maudsley stage of treatment resistance", "points, 3 to 15", "history",
        (
            "episode_duration_months", "depression_instrument", "depression_total",
            "psychotic_features", "failed_trials", "augmentation_failed", "ect_history",
        ),
        monotone=-1,
        monotone_source="made of duration and failed trials, whose signs agree: Fitzgerald 2016, "
        "doi:10.1002/da.22503; Trevizol 2020",
        compute=clinical.maudsley_stage,
    ),
)  # fmt: skip

_COGNITION_AND_RISK = (
    _recorded("moca_total", "Montreal Cognitive Assessment", "points, 0 to 30", "severity"),
    _recorded("suicidal_ideation", "Suicidal ideation", YES_NO, "severity"),
)

_MEDICATION = (
    _recorded(
        "benzodiazepine", "Takes a benzodiazepine", YES_NO, "medication", monotone=-1,
        source="OR 0.36, doi:10.1002/brb3.1275",
    ),
    _recorded("antipsychotic", "Takes an antipsychotic", YES_NO, "medication"),
    _recorded("anticonvulsant", "Takes an anticonvulsant", YES_NO, "medication"),
    _recorded("stimulant", "Takes a psychostimulant", YES_NO, "medication"),
    _recorded("lithium", "Takes lithium", YES_NO, "medication"),
    _recorded("bupropion", "Takes bupropion", YES_NO, "medication"),
    _recorded("ssri", "Takes an SSRI", YES_NO, "medication"),
    _recorded("snri", "Takes an SNRI", YES_NO, "medication"),
    _recorded("tricyclic", "Takes a tricyclic", YES_NO, "medication"),
)  # fmt: skip

_PLAN = (
    _recorded("sessions_planned", "Sessions planned", "sessions", "plan"),
    _coded("target_left_dlpfc", "Left DLPFC targeted", "plan", "target", "left_dlpfc"),
    Feature(
        "theta_burst", "Theta-burst protocol", YES_NO, "plan", ("protocol",),
        compute=stimulation.theta_burst,
    ),
    Feature(
        "bilateral_stimulation", "Both hemispheres stimulated", YES_NO, "plan",
        ("protocol", "target"), compute=stimulation.bilateral,
    ),
    Feature(
        "low_frequency_right", "Low frequency over the right DLPFC", YES_NO, "plan",
        ("protocol", "target"), compute=stimulation.low_frequency_right,
    ),
)  # fmt: skip


def _severity(
    name: str, label: str, compute: Callable[..., float], instrument: str | None
) -> Feature:
    """Return the severity feature, on one instrument or on whichever was used."""
    kind = name.removesuffix("_severity")
    fields = (f"{kind}_instrument", f"{kind}_total")
    if instrument is None:
        return Feature(name, label, "share of the scale", "severity", fields, compute=compute)
    scale = get_instrument(instrument).name
    return Feature(
        name, f"{label} ({scale})", f"share of the {scale} range", "severity", fields,
        compute=partial(compute, instrument=scale),
    )  # fmt: skip


def _clinical(depression: str | None = None, anxiety: str | None = None) -> tuple[Feature, ...]:
    return (
        *_PERSON,
        *_HISTORY,
        _severity(
            "depression_severity", "Depression severity", clinical.depression_severity, depression
        ),
        _severity("anxiety_severity", "Anxiety severity", clinical.anxiety_severity, anxiety),
        *_COGNITION_AND_RISK,
        *_MEDICATION,
        *_PLAN,
    )


_SUBGENUAL = "a proxy of the subgenual cingulate"


def _network_label(name: str) -> str:
    if name in WITHIN:
        return f"Connectivity within the {NETWORKS[WITHIN[name][0]]} network"
    one, other = (NETWORKS[network] for network in BETWEEN[name])
    return f"Connectivity between the {one} and {other} networks"


_SCAN = ("connectome", "connectome_summary")


def _connectivity(
    name: str, label: str, unit: str = "mean Fisher z", fields: tuple[str, ...] = _SCAN
) -> Feature:
    return Feature(name, label, unit, "networks", fields, "connectivity")


# In the order of `CONNECTIVITY_NAMES`.
_NETWORKS = (
    *(_connectivity(name, _network_label(name)) for name in (*WITHIN, *BETWEEN)),
    _connectivity(SEGREGATION, "Segregation of the networks", "share of the mean within them"),
    _connectivity(DLPFC_SGACC_PROXY, f"Connectivity of the left DLPFC with {_SUBGENUAL}"),
    _connectivity(
        COIL_SITE_SGACC_PROXY, f"Connectivity of the coil site with {_SUBGENUAL}",
        fields=(*_SCAN, "coil_site_mni_mm"),
    ),
)  # fmt: skip


def _course(name: str, label: str, unit: str, monotone: Sign = 0, source: str = "") -> Feature:
    return Feature(name, label, unit, "course", ("course",), "clinical", monotone, source)


# In the order of `COURSE_NAMES`; for models that are asked in the course of treatment.
COURSE_FEATURES: Final = (
    _course(course.LATEST, "Latest score during treatment", "points"),
    _course(
        course.IMPROVEMENT, "Improvement since baseline", "percent of the baseline", 1,
        "Uppsala 2024, PubMed 38897300: 20 % or more by week 2, OR for response 1.35-9.47",
    ),
    _course(course.SLOPE, "Change of the score", "points a week"),
    _course(course.N_SCORES, "Scores so far during treatment", "scores"),
    _course(course.DAYS_SINCE, "Time since the latest score", "days"),
)  # fmt: skip

FEATURES: Final = (*_clinical(), *_NETWORKS)


def extra_feature(name: str, label: str, unit: str, group: Group = "clinical") -> Feature:
    """Return the feature of a further baseline measurement that a cohort declares.

    Parameters
    ----------
    name : str
        Its key in `Patient.extra`.
    label, unit : str
        As declared; the declared range is checked where patients are read, not here.
    group : {"clinical", "connectivity"}
        As declared.
    """
    compute = partial(clinical.further_measurement, name=name)
    return Feature(name, label, unit, "extra", (f"extra.{name}",), group, compute=compute)


def feature_table(
    groups: Iterable[str] = GROUPS,
    *,
    depression_instrument: str | None = None,
    anxiety_instrument: str | None = None,
    extra: Iterable[Feature] = (),
) -> tuple[Feature, ...]:
    """Return the features of a model, in the order of its columns.

    Parameters
    ----------
    groups : iterable of {"clinical", "connectivity"}
        Which to include. The order of the columns is that of the table.
    depression_instrument, anxiety_instrument : str, optional
        The instruments that the model was trained on: totals on others are unknown to it, since
        equal shares of two scales are not equally severe. None takes any instrument.
    extra : iterable of Feature
        From `extra_feature`.

    Raises
    ------
    ConfigurationError
        For an unknown group, or an extra measurement named like another feature.
    DataError
        For an unknown instrument.
    """
    wanted = set(groups)
    if unknown := sorted(wanted.difference(GROUPS)):
        raise ConfigurationError(
            f"'{unknown[0]}' is not a group of features.{did_you_mean(unknown[0], GROUPS)} "
            f"Allowed: {', '.join(GROUPS)}."
        )
    clinical_features = (*_clinical(depression_instrument, anxiety_instrument), *extra)
    table = (*clinical_features, *_NETWORKS)
    names = [each.name for each in table]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ConfigurationError(
            f"The extra measurement '{repeated}' has the name of another feature; rename it."
        )
    return tuple(each for each in table if each.group in wanted)
