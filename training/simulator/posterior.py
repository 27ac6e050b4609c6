"""What a patient's records say of the latent values behind them.

Rounded, clipped, miscounted and missing records leave a latent value somewhere in an interval.
Anxiety, on which the benzodiazepine depends, is kept as quadrature nodes; the others enter a sum
and are kept as mean and variance.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from training.simulator.clinical import anxiety_scale, failures_scale, standardised_age
from training.simulator.gaussian import (
    FloatArray,
    interval_probability,
    truncated_moments,
    truncated_nodes,
)
from training.simulator.parameter_sections import Profile
from training.simulator.parameters import SimulatorParameters

# Against 40 nodes, 12 move no probability of response by more than 0.0002.
_ANXIETY_NODES = 12


class Moments(NamedTuple):
    """Mean and variance, arrays of one shape."""

    mean: FloatArray
    variance: FloatArray

    def moved(self, offset: float, factor: float) -> "Moments":
        """Return the moments of `offset + factor x`."""
        return Moments(offset + factor * self.mean, factor**2 * self.variance)


def severity_given_total(
    profile: Profile, baseline: FloatArray, parameters: SimulatorParameters
) -> tuple[Moments, FloatArray]:
    """Return severity in the site's own SDs, and the likelihood of the total, each (n,)."""
    scale = profile.severity_scale(parameters.measurement)
    possible = baseline >= scale.lowest
    low, high = scale.interval(np.maximum(baseline, scale.lowest))
    likelihood = np.where(possible, interval_probability(0.0, 1.0, low, high), 0.0)
    return Moments(*truncated_moments(0.0, 1.0, low, high)), likelihood


def severity_effect(
    severity: Moments, profile: Profile, parameters: SimulatorParameters
) -> Moments:
    """Return the log-odds of severity: its effect counts in SDs of the general clinic."""
    general, effect = parameters.profiles["general"], parameters.effects.severity
    per_sd = effect / general.severity_sd_points
    offset = per_sd * (profile.severity_mean_points - general.severity_mean_points)
    return severity.moved(offset, per_sd * profile.severity_sd_points)


def anxiety_given_records(
    severity: Moments,
    observed: dict[str, FloatArray],
    parameters: SimulatorParameters,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return latent anxiety and the likelihood of its record.

    Parameters
    ----------
    severity : Moments
        In the site's own SDs.
    observed : dict of ndarray, shape (n,)
    parameters : SimulatorParameters

    Returns
    -------
    nodes, weights : ndarray, shape (n, k)
        The weights hold the likelihood of the benzodiazepine at each node.
    likelihood : ndarray, shape (n,)
    """
    correlation = parameters.correlations.anxiety_severity
    mean = correlation * severity.mean
    sd = np.sqrt(1 - correlation**2 + correlation**2 * severity.variance)
    low, high = anxiety_scale(parameters).interval(observed["gad7_total"])
    asked = np.isfinite(observed["gad7_total"])
    low, high = np.where(asked, low, -np.inf), np.where(asked, high, np.inf)
    nodes, weights = truncated_nodes(mean, sd, low, high, _ANXIETY_NODES)
    takes = observed["benzodiazepine"][:, None]
    chance = _chance_of_benzodiazepine(nodes, parameters)
    likelihood = np.where(np.isnan(takes), 1.0, np.where(takes > 0, chance, 1 - chance))
    return nodes, weights * likelihood, interval_probability(mean, sd, low, high)


def _chance_of_benzodiazepine(anxiety: FloatArray, parameters: SimulatorParameters) -> FloatArray:
    prevalence = parameters.prevalence
    slope = prevalence.benzodiazepine_anxiety
    return np.asarray(expit(prevalence.benzodiazepine_intercept + slope * anxiety))


def benzodiazepine_given_record(
    anxiety: FloatArray, observed: dict[str, FloatArray], parameters: SimulatorParameters
) -> Moments:
    """Return whether one is taken, at each node of anxiety, (n, k)."""
    takes = observed["benzodiazepine"][:, None]
    chance = _chance_of_benzodiazepine(anxiety, parameters)
    unknown = np.isnan(takes)
    return Moments(np.where(unknown, chance, takes), np.where(unknown, chance * (1 - chance), 0.0))


def likelihood_of_person(
    profile: Profile, observed: dict[str, FloatArray], parameters: SimulatorParameters
) -> FloatArray:
    """Return the likelihood of age, sex and PTSD in a clinic of that profile, (n,)."""
    low, high = profile.age_scale(parameters.measurement).interval(observed["age"])
    ptsd = observed["ptsd"]
    of_ptsd = np.where(ptsd > 0, profile.ptsd, 1 - profile.ptsd)
    of_sex = np.where(observed["sex"] > 0, profile.female, 1 - profile.female)
    likelihood: FloatArray = (
        interval_probability(0.0, 1.0, low, high) * of_sex * np.where(np.isnan(ptsd), 1.0, of_ptsd)
    )
    return likelihood


def other_effects(observed: dict[str, FloatArray], parameters: SimulatorParameters) -> Moments:
    """Return the log-odds of all that depends neither on the site nor on anxiety, (n,)."""
    effects, prevalence = parameters.effects, parameters.prevalence
    age = standardised_age(observed["age"], parameters)
    mean, variance = _resistance(observed, parameters)
    mean = mean + effects.age * age + effects.age_squared * age**2
    mean = mean + effects.female * observed["sex"]
    for effect, name, share in (
        (effects.employed, "employed", prevalence.employed),
        (effects.psychotic, "psychotic_features", prevalence.psychotic),
        (effects.recurrent, "recurrent", prevalence.recurrent),
    ):
        unknown = np.isnan(observed[name])
        mean = mean + effect * np.where(unknown, share, observed[name])
        variance = variance + effect**2 * np.where(unknown, share * (1 - share), 0.0)
    return Moments(mean, variance)


def _resistance(observed: dict[str, FloatArray], parameters: SimulatorParameters) -> Moments:
    """Return the log-odds of failed trials and episode duration together, (n,)."""
    effects, measurement = parameters.effects, parameters.measurement
    correlation = parameters.correlations.failures_duration
    months = observed["episode_duration_months"]
    unknown = np.isnan(months)
    log_months = np.log(np.where(unknown, 1.0, months))
    duration = (log_months - measurement.duration_log_mean) / measurement.duration_log_sd
    prior = Moments(
        np.where(unknown, 0.0, correlation * duration),
        np.where(unknown, 1.0, 1 - correlation**2),
    )
    trials = _true_failures(observed["failed_trials"], prior, parameters)
    # An unknown duration is known a little through the trials.
    slope = effects.failed_trials + np.where(unknown, correlation * effects.log_duration, 0.0)
    mean = slope * trials.mean + np.where(unknown, 0.0, effects.log_duration * duration)
    left_over = effects.log_duration**2 * (1 - correlation**2)
    return Moments(mean, slope**2 * trials.variance + np.where(unknown, left_over, 0.0))


def _true_failures(
    recorded: FloatArray, prior: Moments, parameters: SimulatorParameters
) -> Moments:
    """Return the latent trials behind a count that may be one off, (n,)."""
    measurement, scale = parameters.measurement, failures_scale(parameters)
    under, over = measurement.failures_under_reported, measurement.failures_over_reported
    sd = np.sqrt(prior.variance)
    total, first, second = np.zeros((3, len(recorded)))
    for miscount, share in ((-1, under), (0, 1 - under - over), (1, over)):
        true_count = recorded - miscount
        possible = (true_count >= scale.lowest) & (true_count <= scale.highest)
        low, high = scale.interval(np.where(possible, true_count, scale.lowest))
        mean, variance = truncated_moments(prior.mean, sd, low, high)
        weight = share * interval_probability(prior.mean, sd, low, high) * possible
        total += weight
        first += weight * mean
        second += weight * (variance + mean**2)
    unknown = np.isnan(recorded)
    total = np.where(unknown, 1.0, total)
    mean = np.where(unknown, prior.mean, first / total)
    return Moments(mean, np.where(unknown, prior.variance, second / total - mean**2))
