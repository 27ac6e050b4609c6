"""What the simulator does, beside what it was specified to do and what studies reported.

Three measurements, on large draws:

- `core_figures`: the model alone, on true predictors and connectivity measured with the specified
  reliability, at many alike sites without random slopes. The specification gives these figures.
- `cohort_figures`: the cohort as it is written, with its eight sites, random slopes, recording
  and missing values; its oracle is the bound for a model.
- `measured_reliability`: how well features of the simulated matrices tell the true values.

`agreement.py` writes them to docs/simulator.md.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri
from sklearn.metrics import roc_auc_score

from data_schemas.connectome import Connectome
from features.connectivity import DLPFC_SGACC_PROXY, WITHIN, connectivity_summary
from training.simulator.clinical import BoolArray, clinical_design
from training.simulator.draw import PatientDraw, draw_patients
from training.simulator.matrices import parcel_labels
from training.simulator.oracle import response_probability
from training.simulator.parameters import SimulatorParameters, load_parameters
from training.simulator.scales import FloatArray
from training.simulator.scans import draw_matrix, draw_scan, true_connectivity
from training.simulator.sites import Site
from training.simulator.streams import random_stream

CORE_PATIENTS: Final = 400_000
_CORE_SITES: Final = 400
_NEWTON_STEPS: Final = 8


@dataclass(frozen=True)
class CoreFigures:
    """Figures of one scenario, in the order and to the digits of the specification.

    AUCs are of a logistic regression on clinical predictors, on connectivity, and on both.
    """

    response_rate: float
    remission_rate: float
    sgacc_correlation: float
    response_auc: tuple[float, float, float]
    remission_auc: tuple[float, float, float]


# What the model was specified to give, computed once on one draw of eight site effects.
SPECIFIED: Final = {
    "null": CoreFigures(0.462, 0.271, 0.00, (0.625, 0.501, 0.625), (0.662, 0.501, 0.662)),
    "conservative": CoreFigures(0.461, 0.270, -0.09, (0.620, 0.560, 0.635), (0.659, 0.546, 0.666)),
    "elbau": CoreFigures(0.459, 0.268, -0.16, (0.613, 0.593, 0.647), (0.656, 0.571, 0.671)),
    "optimistic": CoreFigures(0.451, 0.265, -0.23, (0.649, 0.642, 0.709), (0.678, 0.609, 0.710)),
}


def draw_core(scenario: str, n_patients: int = CORE_PATIENTS, seed: int = 7) -> PatientDraw:
    """Draw patients of many alike general clinics, which differ in their intercept only."""
    parameters = load_parameters()
    spread = parameters.site_effects.intercept_sd
    # Quantiles instead of draws: the figures are those of the average draw of sites.
    intercepts = spread * ndtri((np.arange(_CORE_SITES) + 0.5) / _CORE_SITES)
    sites = tuple(
        Site(
            name=f"site-{number}",
            profile=parameters.profiles["general"],
            share=1 / _CORE_SITES,
            anxiety_missing=0.0,
            scan_weight=1.0,
            intercept=float(intercept),
            anxiety_slope=0.0,
            sgacc_slope=0.0,
        )
        for number, intercept in enumerate(intercepts)
    )
    return draw_patients(n_patients, scenario, seed, sites=sites)


def measured_connectivity(draw: PatientDraw) -> FloatArray:
    """Return noisy connectivity, (n, 3): subgenual, default mode, frontoparietal.

    Standardised true values and noise, mixed so that the squared correlation of measured and true
    is the specified reliability.
    """
    matrices, latent = draw.parameters.matrices, draw.latent
    network = matrices.network_reliability
    reliability = np.array([matrices.sgacc_reliability, network, network])
    truth = np.column_stack([latent.sgacc, latent.default_mode, latent.frontoparietal])
    noise = random_stream(draw.seed, "scans").standard_normal(truth.shape)
    measured: FloatArray = np.sqrt(reliability) * truth + np.sqrt(1 - reliability) * noise
    return measured


def clinical_matrix(draw: PatientDraw) -> FloatArray:
    """Return the true clinical predictors, (n, 11), in the order of [effects]."""
    design = clinical_design(draw.latent, draw.recorded, draw.parameters)
    return np.column_stack(list(design.values()))


def core_figures(draw: PatientDraw) -> CoreFigures:
    """Return the figures that the specification gives, from a draw of `draw_core`."""
    clinical, measured = clinical_matrix(draw), measured_connectivity(draw)
    outcomes = draw.outcomes
    blocks = (clinical, measured, np.column_stack([clinical, measured]))
    response, remission = (
        tuple(logistic_auc(block, outcome) for block in blocks)
        for outcome in (outcomes.response, outcomes.remission)
    )
    correlation = np.corrcoef(measured[:, 0], percent_improvement(draw))[0, 1]
    return CoreFigures(
        response_rate=float(outcomes.response.mean()),
        remission_rate=float(outcomes.remission.mean()),
        sgacc_correlation=float(correlation),
        response_auc=(response[0], response[1], response[2]),
        remission_auc=(remission[0], remission[1], remission[2]),
    )


def percent_improvement(draw: PatientDraw) -> FloatArray:
    """Return the fall of the total in percent of the baseline, (n,)."""
    outcomes = draw.outcomes
    return 100 * (1 - outcomes.final_total / outcomes.baseline_total)


def logistic_auc(X: FloatArray, outcome: BoolArray) -> float:
    """Return the AUC of a logistic regression on the rows it was fitted to."""
    scores = _with_intercept(X) @ logistic_coefficients(X, outcome)
    return float(roc_auc_score(outcome, scores))


def logistic_coefficients(X: FloatArray, outcome: BoolArray) -> FloatArray:
    """Return the maximum-likelihood coefficients, intercept first, by Newton's method."""
    design = _with_intercept(X)
    coefficients = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        fitted = expit(design @ coefficients)
        curvature = (design * (fitted * (1 - fitted))[:, None]).T @ design
        coefficients += np.linalg.solve(curvature, design.T @ (outcome - fitted))
    return coefficients


def _with_intercept(X: FloatArray) -> FloatArray:
    return np.column_stack([np.ones(len(X)), X])


@dataclass(frozen=True)
class CohortFigures:
    """Means over independent draws of the cohort as it is written, and SDs between them.

    `oracle` does not know the drawn deviations of the sites, `oracle_of_sites` does.
    """

    n_draws: int
    response_rate: tuple[float, float]
    known_outcome_share: tuple[float, float]
    oracle: tuple[float, float]
    oracle_of_sites: tuple[float, float]


def cohort_figures(scenario: str, n_draws: int = 10, n_patients: int = 20_000) -> CohortFigures:
    """Return the figures of the written cohort, over seeds 1 to `n_draws`."""
    rows = []
    for seed in range(1, n_draws + 1):
        draw = draw_patients(n_patients, scenario, seed)
        response = draw.outcomes.response
        known_sites = response_probability(draw, site_effects="realised")
        rows.append(
            (
                response.mean(),
                draw.outcome_known.mean(),
                roc_auc_score(response, response_probability(draw)),
                roc_auc_score(response, known_sites),
            )
        )
    table = np.array(rows)
    pairs = [(float(column.mean()), float(column.std(ddof=1))) for column in table.T]
    return CohortFigures(n_draws, pairs[0], pairs[1], pairs[2], pairs[3])


def measured_reliability(
    n_matrices: int, seed: int = 7, parameters: SimulatorParameters | None = None
) -> npt.NDArray[np.float64]:
    """Return the squared correlation of features of matrices with the true values, (3,).

    In the order subgenual proxy with left DLPFC, within default mode, within frontoparietal;
    scans vary in length and motion, as in the written cohort.
    """
    parameters = parameters or load_parameters()
    names = (DLPFC_SGACC_PROXY, *(_within(network) for network in ("Default", "Cont")))
    draw = draw_patients(max(n_matrices, 20), seed=seed, n_sites=1, parameters=parameters)
    upper = np.triu_indices(len(parcel_labels()), k=1)
    features, truths = [], []
    for patient in range(n_matrices):
        truth = true_connectivity(draw, patient)
        scan = draw_scan(seed, patient, parameters.scans)
        matrix = draw_matrix(seed, scan, truth, parameters)
        connectome = Connectome(labels=parcel_labels(), upper_triangle=matrix[upper])
        summary = connectivity_summary(connectome)
        features.append([summary[name] for name in names])
        truths.append(truth)
    return np.array(
        [
            _squared_correlation(*pair)
            for pair in zip(np.array(features).T, np.array(truths).T, strict=True)
        ]
    )


def _within(network: str) -> str:
    return next(name for name, pair in WITHIN.items() if pair == (network, network))


def _squared_correlation(feature: FloatArray, truth: FloatArray) -> float:
    known = np.isfinite(feature)
    return float(np.corrcoef(feature[known], truth[known])[0, 1] ** 2)
