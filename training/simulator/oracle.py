"""The best that can be known: P(response | what was observed), under the simulator itself.

No model of the same columns has a higher AUC in expectation, so a held-out AUC clearly above the
oracle's proves a leak. "What was observed" includes which values are missing: a site that never
asks for the GAD-7 gives itself away by that, and so do the age, sex and PTSD of its patients.

Connectivity is *not* in it: matrices carry it through a simulated scan, and no closed form says
what one of them reveals. It bounds models of the clinical columns only.

What is integrated out, in log-odds of the improving class:

- the site, over its posterior given age, sex, PTSD, severity, anxiety and the missing GAD-7;
- its deviations, over their normal distribution (or taken as drawn, with "realised");
- latent values behind rounded, clipped, miscounted and missing records: anxiety by quadrature
  over its conditional distribution given severity and the benzodiazepine, the others by the mean
  and variance of their sum, which then enters as normal;
- true connectivity, as normal;
- improvement and the rater's noise, numerically.

Dropout depends on response alone, hence multiplies all odds by one constant: ranks and AUC are
the same among those whose outcome is known.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from data_schemas.instruments import get_instrument
from training.simulator.clinical import OUTCOME_INSTRUMENT
from training.simulator.draw import PatientDraw
from training.simulator.gaussian import FloatArray, mean_logistic
from training.simulator.parameter_sections import Profile
from training.simulator.parameters import SimulatorParameters
from training.simulator.posterior import (
    Moments,
    anxiety_given_records,
    benzodiazepine_given_record,
    likelihood_of_person,
    other_effects,
    severity_effect,
    severity_given_total,
)
from training.simulator.sites import Site

SiteEffects = Literal["integrated", "realised"]

_NOISE_NODES = 2001
_ROWS_AT_ONCE = 4000


class _SiteModel(NamedTuple):
    """What the oracle holds of a site: its profile, and (mean, variance) of each deviation."""

    profile: Profile
    intercept: tuple[float, float]
    anxiety_slope: tuple[float, float]
    sgacc_slope: tuple[float, float]


def response_probability(
    draw: PatientDraw, *, site_effects: SiteEffects = "integrated"
) -> FloatArray:
    """Return P(response | observed clinical columns) of each patient, shape (n,).

    Parameters
    ----------
    draw : PatientDraw
        Only `observed`, the baseline total, and the sites' profiles and shares are used.
    site_effects : {"integrated", "realised"}
        Whether the drawn deviations of the sites are unknown, as for a model that is scored on
        new draws of them, or known, the bound for a model that learned from these very sites.
        Which site a patient belongs to is unknown in both.
    """
    parts = np.array_split(np.arange(len(draw)), max(1, len(draw) // _ROWS_AT_ONCE))
    return np.concatenate([_of_rows(draw, rows, site_effects) for rows in parts])


def _of_rows(
    draw: PatientDraw, rows: npt.NDArray[np.intp], site_effects: SiteEffects
) -> FloatArray:
    observed = {name: values[rows] for name, values in draw.observed.items()}
    baseline = draw.outcomes.baseline_total[rows]
    rest = other_effects(observed, draw.parameters)
    known: dict[_SiteModel, tuple[FloatArray, FloatArray]] = {}
    weights, weighted = np.zeros((2, len(rows)))
    for site in draw.enrolment.sites:
        model = _site_model(site, draw, site_effects)
        if model not in known:
            known[model] = _given_site(draw, model, observed, baseline, rest)
        improves, likelihood = known[model]
        asked = np.isfinite(observed["gad7_total"])
        pattern = np.where(asked, 1 - site.anxiety_missing, site.anxiety_missing)
        weight = site.share * likelihood * pattern
        weights += weight
        weighted += weight * improves
    improves = weighted / weights
    of_improvers, of_others = _response_rates(baseline, draw.parameters)
    return improves * of_improvers + (1 - improves) * of_others


def _site_model(site: Site, draw: PatientDraw, site_effects: SiteEffects) -> _SiteModel:
    offset = site.profile.intercept_offset
    if site_effects == "realised":
        return _SiteModel(
            site.profile,
            (offset + site.intercept, 0.0),
            (site.anxiety_slope, 0.0),
            (site.sgacc_slope, 0.0),
        )
    spread = draw.parameters.site_effects
    return _SiteModel(
        site.profile,
        (offset, spread.intercept_sd**2),
        (0.0, spread.anxiety_slope_sd**2),
        (0.0, draw.scenario.sgacc_slope_sd**2),
    )


def _given_site(
    draw: PatientDraw,
    model: _SiteModel,
    observed: dict[str, FloatArray],
    baseline: FloatArray,
    rest: Moments,
) -> tuple[FloatArray, FloatArray]:
    """Return P(improves | observed, site) and the likelihood of what was observed, each (n,)."""
    parameters, scenario = draw.parameters, draw.scenario
    effects, scale = parameters.effects, scenario.clinical_scale
    severity, of_total = severity_given_total(model.profile, baseline, parameters)
    by_severity = severity_effect(severity, model.profile, parameters)
    anxiety, weights, of_anxiety = anxiety_given_records(severity, observed, parameters)
    takes = benzodiazepine_given_record(anxiety, observed, parameters)
    mean = (
        scenario.intercept
        + model.intercept[0]
        + scale * (rest.mean + by_severity.mean)[:, None]
        + scale * (effects.anxiety * anxiety + effects.benzodiazepine * takes.mean)
        + model.anxiety_slope[0] * anxiety
    )
    variance = (
        model.intercept[1]
        + _connectivity_variance(draw, model)
        + scale**2 * (rest.variance + by_severity.variance)[:, None]
        + scale**2 * effects.benzodiazepine**2 * takes.variance
        + model.anxiety_slope[1] * anxiety**2
    )
    mass = np.sum(weights, axis=1)
    improves = np.sum(weights * mean_logistic(mean, variance), axis=1) / mass
    of_person = likelihood_of_person(model.profile, observed, parameters)
    return improves, of_total * of_anxiety * mass * of_person


def _connectivity_variance(draw: PatientDraw, model: _SiteModel) -> float:
    scenario = draw.scenario
    slope_mean, slope_variance = model.sgacc_slope
    return (
        (scenario.sgacc + slope_mean) ** 2
        + slope_variance
        + scenario.default_mode**2
        + scenario.frontoparietal**2
    )


def _response_rates(
    baseline: FloatArray, parameters: SimulatorParameters
) -> tuple[FloatArray, FloatArray]:
    """Return P(response | baseline total) of improvers and of the others, each (n,)."""
    model = parameters.improvement
    totals, where = np.unique(baseline, return_inverse=True)
    improvers = _response_rate(totals, model.improver_mean, model.improver_sd, parameters)
    others = _response_rate(totals, model.other_mean, model.other_sd, parameters)
    return improvers[where], others[where]


def _response_rate(
    totals: FloatArray, mean: float, sd: float, parameters: SimulatorParameters
) -> FloatArray:
    """Integrate over the rater's noise; the rest of the total is a normal, cut at zero."""
    reduction = get_instrument(OUTCOME_INSTRUMENT).response_reduction
    # Final totals are whole points, so that half a point above the highest is still recorded as it.
    highest = np.floor((1 - reduction) * totals)[:, None] + 0.5
    points = np.linspace(-6.0, 6.0, _NOISE_NODES)
    weights = np.exp(-0.5 * points**2)
    noise = parameters.improvement.rating_noise_sd_points * points
    before_noise = highest - noise
    total_mean, total_sd = totals * (1 - mean), totals * sd
    reached = ndtr((before_noise - total_mean[:, None]) / total_sd[:, None])
    return np.asarray(np.where(before_noise > 0, reached, 0.0) @ weights / weights.sum())
