"""What is written down of each patient: complete columns first, then what of them is missing."""

import numpy as np
from scipy.special import expit

from training.simulator.clinical import (
    BoolArray,
    Latent,
    Outcomes,
    anxiety_scale,
    failures_scale,
    standardised_age,
)
from training.simulator.columns import COLUMNS, FloatArray
from training.simulator.parameters import SimulatorParameters
from training.simulator.sites import Enrolment

_INDEPENDENT = (
    "augmentation_failed", "ect_history", "suicidal_ideation", "antipsychotic", "anticonvulsant",
    "stimulant", "lithium", "bupropion", "ssri", "snri", "tricyclic",
)  # fmt: skip


def record_columns(
    latent: Latent,
    enrolment: Enrolment,
    parameters: SimulatorParameters,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Return every column of `COLUMNS`, complete, as codes or numbers of shape (n,)."""
    n, prevalence = len(enrolment), parameters.prevalence
    takes_benzodiazepine = expit(
        prevalence.benzodiazepine_intercept + prevalence.benzodiazepine_anxiety * latent.anxiety
    )
    columns = {
        **_people(enrolment, parameters, rng),
        "employed": _yes(prevalence.employed, n, rng),
        "recurrent": _yes(prevalence.recurrent, n, rng),
        "psychotic_features": _yes(prevalence.psychotic, n, rng),
        "episode_duration_months": _months(latent.log_duration, parameters),
        "failed_trials": _counted(latent.failed_trials, parameters, rng),
        "benzodiazepine": (rng.random(n) < takes_benzodiazepine).astype(np.float64),
        "gad7_total": anxiety_scale(parameters).record(latent.anxiety),
        **_columns_without_effect(n, parameters, rng),
    }
    return {column.name: columns[column.name] for column in COLUMNS}


def _people(
    enrolment: Enrolment,
    parameters: SimulatorParameters,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    z = rng.standard_normal(len(enrolment))
    female = enrolment.of_site(lambda site: site.profile.female)
    ptsd = enrolment.of_site(lambda site: site.profile.ptsd)
    age = np.empty(len(enrolment))
    for site, here in enrolment.by_site():
        age[here] = site.profile.age_scale(parameters.measurement).record(z[here])
    return {
        "age": age,
        "sex": _yes(female, len(age), rng),
        "ptsd": _yes(ptsd, len(age), rng),
    }


def _columns_without_effect(
    n: int, parameters: SimulatorParameters, rng: np.random.Generator
) -> dict[str, FloatArray]:
    other = parameters.other_columns
    mass = other.body_mass_index_mean_kg_m2 + other.body_mass_index_sd_kg_m2 * _clipped(n, rng)
    education = other.education_mean_years + other.education_sd_years * _clipped(n, rng)
    responded, did_not = other.earlier_tms_response, other.earlier_tms_no_response
    right = _yes(other.right_sided, n, rng)
    left_protocol = _yes(other.theta_burst, n, rng)
    coil = other.coil_site_mean_mni_mm + other.coil_site_sd_mm * rng.standard_normal((n, 3))
    coil[:, 0] *= 1 - 2 * right
    sessions = rng.choice(other.sessions_planned, size=n, p=other.sessions_planned_share)
    return {
        "body_mass_index": np.round(mass, 1),
        "education_years": np.rint(education),
        "polarity": _yes(other.bipolar, n, rng),
        "tms_history": rng.choice(
            3, size=n, p=(1 - responded - did_not, responded, did_not)
        ).astype(np.float64),
        "target": right,
        "protocol": np.where(right > 0, 2.0, left_protocol),
        **{f"coil_{axis}_mni_mm": np.round(coil[:, k], 1) for k, axis in enumerate("xyz")},
        "sessions_planned": sessions.astype(np.float64),
        **{name: _yes(getattr(other, name), n, rng) for name in _INDEPENDENT},
    }


def _yes(share: float | FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
    return (rng.random(n) < share).astype(np.float64)


def _clipped(n: int, rng: np.random.Generator) -> FloatArray:
    return np.clip(rng.standard_normal(n), -2.5, 2.5)


def _months(log_duration: FloatArray, parameters: SimulatorParameters) -> FloatArray:
    measurement = parameters.measurement
    months = np.exp(measurement.duration_log_mean + measurement.duration_log_sd * log_duration)
    return np.clip(np.round(months, 1), 0.5, 960.0)


def _counted(
    failed_trials: FloatArray, parameters: SimulatorParameters, rng: np.random.Generator
) -> FloatArray:
    measurement = parameters.measurement
    luck = rng.random(len(failed_trials))
    one_less = luck < measurement.failures_under_reported
    one_more = luck > 1 - measurement.failures_over_reported
    true_count = failures_scale(parameters).record(failed_trials)
    return true_count + one_more - one_less


def hide_columns(
    recorded: dict[str, FloatArray],
    enrolment: Enrolment,
    parameters: SimulatorParameters,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Return the columns as observed, NaN where missing.

    Columns with one mechanism (the medication list, the plan) are missing together. Nothing here
    depends on the outcome or on a value that is itself hidden.
    """
    hidden = {"never": np.zeros(len(enrolment), dtype=np.bool_)}
    observed = {}
    for column in COLUMNS:
        if column.mechanism not in hidden:
            share = _missing_share(column.mechanism, recorded, enrolment, parameters)
            hidden[column.mechanism] = rng.random(len(enrolment)) < share
        observed[column.name] = np.where(hidden[column.mechanism], np.nan, recorded[column.name])
    return observed


def _missing_share(
    mechanism: str,
    recorded: dict[str, FloatArray],
    enrolment: Enrolment,
    parameters: SimulatorParameters,
) -> float | FloatArray:
    missing = parameters.missing
    if mechanism == "anxiety":
        return enrolment.of_site(lambda site: site.anxiety_missing)
    if mechanism == "duration":
        age = standardised_age(recorded["age"], parameters)
        return np.asarray(expit(missing.duration_intercept + missing.duration_age * age))
    return float(getattr(missing, mechanism))


def draw_dropout(
    outcomes: Outcomes, parameters: SimulatorParameters, rng: np.random.Generator
) -> BoolArray:
    """Return whether each final total is known: missing not at random, more in non-responders."""
    missing = parameters.missing
    share = np.where(outcomes.response, missing.outcome_responders, missing.outcome_others)
    known: BoolArray = rng.random(len(share)) >= share
    return known
