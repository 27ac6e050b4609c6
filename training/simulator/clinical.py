"""Drawing patients: who they are, whether they improve, and what is written down of it.

The model: a patient belongs to the improving class with

    logit P(improves) = intercept + site + scale * sum(effect * predictor) + connectivity,

improves by a fraction drawn from a normal of the class (never more than all), and the final
HDRS-17 total is the baseline less that fraction, plus the rater's noise, in whole points.
Response and remission are then read off the totals, as in a real cohort.

Predictors act through their standardised latent values; what is recorded is rounded, clipped
and, for failed trials, sometimes miscounted by one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from data_schemas.instruments import get_instrument
from training.simulator.parameter_sections import Scenario
from training.simulator.parameters import SimulatorParameters
from training.simulator.scales import FloatArray, RoundedScale
from training.simulator.sites import Enrolment

OUTCOME_INSTRUMENT = "HDRS-17"
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Latent:
    """What nobody observes: standardised true values, each of shape (n,).

    `severity` is in SDs of the general clinic, so that a clinic with milder patients has a lower
    mean; `sgacc`, `default_mode` and `frontoparietal` are the true connectivity.
    """

    severity: FloatArray
    anxiety: FloatArray
    failed_trials: FloatArray
    log_duration: FloatArray
    sgacc: FloatArray
    default_mode: FloatArray
    frontoparietal: FloatArray


@dataclass(frozen=True)
class Outcomes:
    """What happened to each patient, complete; each of shape (n,).

    Totals are HDRS-17 points; `improves` is the latent class.
    """

    improves: BoolArray
    baseline_total: FloatArray
    final_total: FloatArray
    response: BoolArray
    remission: BoolArray


def anxiety_scale(parameters: SimulatorParameters) -> RoundedScale:
    """Return how anxiety is recorded, in GAD-7 points."""
    scale, measurement = get_instrument("GAD-7"), parameters.measurement
    mean, sd = measurement.anxiety_mean_points, measurement.anxiety_sd_points
    return RoundedScale(mean, sd, scale.minimum, scale.maximum)


def failures_scale(parameters: SimulatorParameters) -> RoundedScale:
    """Return how many trials truly failed, before they are miscounted."""
    measurement = parameters.measurement
    return RoundedScale(
        measurement.failures_log_mean,
        measurement.failures_log_sd,
        1,
        measurement.failures_maximum,
        logarithmic=True,
    )


def standardised_age(age_years: FloatArray, parameters: SimulatorParameters) -> FloatArray:
    """Return recorded age in the unit of its effect."""
    general = parameters.profiles["general"]
    return (age_years - general.age_mean_years) / general.age_sd_years


def draw_latent(
    enrolment: Enrolment,
    parameters: SimulatorParameters,
    rng: np.random.Generator,
) -> tuple[Latent, FloatArray]:
    """Draw the latent values.

    Returns
    -------
    latent : Latent
    baseline_total : ndarray, shape (n,)
        HDRS-17 points as recorded.
    """
    n, correlations = len(enrolment), parameters.correlations
    own_severity, log_duration = rng.standard_normal((2, n))
    anxiety = _correlated(own_severity, correlations.anxiety_severity, rng)
    failed_trials = _correlated(log_duration, correlations.failures_duration, rng)
    general = parameters.profiles["general"]
    severity, baseline = np.empty((2, n))
    for site, here in enrolment.by_site():
        scale = site.profile.severity_scale(parameters.measurement)
        baseline[here] = scale.record(own_severity[here])
        points = scale.mean + scale.sd * own_severity[here]
        severity[here] = (points - general.severity_mean_points) / general.severity_sd_points
    sgacc, default_mode, frontoparietal = rng.standard_normal((3, n))
    latent = Latent(
        severity, anxiety, failed_trials, log_duration, sgacc, default_mode, frontoparietal
    )
    return latent, baseline


def _correlated(z: FloatArray, correlation: float, rng: np.random.Generator) -> FloatArray:
    noise = rng.standard_normal(len(z))
    return correlation * z + float(np.sqrt(1 - correlation**2)) * noise


def class_log_odds(
    latent: Latent,
    recorded: dict[str, FloatArray],
    enrolment: Enrolment,
    scenario: Scenario,
    parameters: SimulatorParameters,
) -> FloatArray:
    """Return the log-odds of belonging to the improving class, shape (n,)."""
    effects = parameters.effects.model_dump()
    design = clinical_design(latent, recorded, parameters)
    clinical = np.sum([effects[name] * column for name, column in design.items()], axis=0)
    intercepts = enrolment.of_site(lambda site: site.profile.intercept_offset + site.intercept)
    anxiety_slopes = enrolment.of_site(lambda site: site.anxiety_slope)
    sgacc_slopes = enrolment.of_site(lambda site: site.sgacc_slope)
    log_odds: FloatArray = (
        scenario.intercept
        + intercepts
        + scenario.clinical_scale * clinical
        + anxiety_slopes * latent.anxiety
        + (scenario.sgacc + sgacc_slopes) * latent.sgacc
        + scenario.default_mode * latent.default_mode
        + scenario.frontoparietal * latent.frontoparietal
    )
    return log_odds


def clinical_design(
    latent: Latent, recorded: dict[str, FloatArray], parameters: SimulatorParameters
) -> dict[str, FloatArray]:
    """Return the clinical predictors by the names of their effects, each of shape (n,)."""
    age = standardised_age(recorded["age"], parameters)
    return {
        "severity": latent.severity,
        "anxiety": latent.anxiety,
        "failed_trials": latent.failed_trials,
        "log_duration": latent.log_duration,
        "employed": recorded["employed"],
        "female": recorded["sex"],
        "benzodiazepine": recorded["benzodiazepine"],
        "psychotic": recorded["psychotic_features"],
        "recurrent": recorded["recurrent"],
        "age": age,
        "age_squared": age**2,
    }


def draw_outcomes(
    log_odds: FloatArray,
    baseline_total: FloatArray,
    parameters: SimulatorParameters,
    rng: np.random.Generator,
) -> Outcomes:
    """Draw the class, the improvement and the final total of each patient."""
    n, model = len(log_odds), parameters.improvement
    instrument = get_instrument(OUTCOME_INSTRUMENT)
    improves = rng.random(n) < expit(log_odds)
    mean = np.where(improves, model.improver_mean, model.other_mean)
    sd = np.where(improves, model.improver_sd, model.other_sd)
    fraction = np.minimum(mean + sd * rng.standard_normal(n), 1.0)
    noise = model.rating_noise_sd_points * rng.standard_normal(n)
    final = np.rint(baseline_total * (1 - fraction) + noise)
    final = np.clip(final, instrument.minimum, instrument.maximum)
    assert instrument.remission_cutoff is not None  # noqa: S101
    return Outcomes(
        improves=improves,
        baseline_total=baseline_total,
        final_total=final,
        response=baseline_total - final >= instrument.response_reduction * baseline_total,
        remission=final <= instrument.remission_cutoff,
    )
