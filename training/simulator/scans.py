"""Who has a scan, how good it is, and what it shows."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from training.simulator.draw import PatientDraw
from training.simulator.matrices import (
    FloatArray,
    IntArray,
    TrueConnectivity,
    parcel_labels,
    simulate_matrix,
)
from training.simulator.parameter_sections import Scans
from training.simulator.parameters import SimulatorParameters
from training.simulator.streams import random_stream

_MOST_CENSORED = 0.9
# Where signal drops out of a scan first.
_DROPOUT_REGION = "_Limbic_OFC_"


class Scan(NamedTuple):
    """One scan.

    Attributes
    ----------
    patient : int
        Row of the patient in the draw.
    n_volumes : int
        Retained after censoring.
    mean_framewise_displacement_mm : float
    uncovered : tuple of int
        Parcels lost to signal dropout, as positions among `parcel_labels`.
    """

    patient: int
    n_volumes: int
    mean_framewise_displacement_mm: float
    uncovered: tuple[int, ...]


def default_matrix_count(draw: PatientDraw) -> int:
    """Return how many matrices are written unless another number is asked for."""
    return round(draw.parameters.scans.share_with_matrix * len(draw))


def choose_scanned(draw: PatientDraw, n_matrices: int) -> IntArray:
    """Return the rows of the patients with a scan, ascending, shape (n_matrices,).

    Given the site, who is scanned is independent of everything, the outcome included. Patients of
    sites without a scanner are taken only when no others are left.
    """
    weight = draw.enrolment.of_site(lambda site: site.scan_weight)
    race = random_stream(draw.seed, "scans").gumbel(size=len(draw))
    # The largest of log-weight plus Gumbel noise is a weighted draw without replacement.
    order = np.argsort(-(np.log(np.maximum(weight, 1e-12)) + race), kind="stable")
    return np.sort(order[:n_matrices])


def draw_scan(seed: int, patient: int, scans: Scans) -> Scan:
    """Draw the quality of a patient's scan."""
    rng = random_stream(seed, "scans", patient)
    motion = float(np.exp(scans.motion_log_mean + scans.motion_log_sd * rng.standard_normal()))
    censored = min(scans.censored_per_mm * motion, _MOST_CENSORED)
    return Scan(
        patient=patient,
        n_volumes=round(scans.volumes * (1 - censored)),
        mean_framewise_displacement_mm=round(motion, 4),
        uncovered=_uncovered(scans, rng),
    )


def _uncovered(scans: Scans, rng: np.random.Generator) -> tuple[int, ...]:
    if rng.random() >= scans.dropout:
        return ()
    prone = [place for place, label in enumerate(parcel_labels()) if _DROPOUT_REGION in label]
    lost = rng.choice(prone, size=rng.integers(1, scans.dropout_parcels + 1), replace=False)
    return tuple(sorted(int(place) for place in lost))


def draw_matrix(
    seed: int, scan: Scan, truth: TrueConnectivity, parameters: SimulatorParameters
) -> FloatArray:
    """Draw the matrix of a scan, (456, 456), NaN in the rows and columns that it lost."""
    rng = random_stream(seed, "matrices", scan.patient)
    n_samples = round(parameters.scans.effective_share * scan.n_volumes)
    # The products are small: several BLAS threads wait for each other more than they work.
    with _thread_pools().limit(limits=1):
        matrix = simulate_matrix(truth, n_samples, parameters.matrices, rng)
    lost = list(scan.uncovered)
    matrix[lost, :] = np.nan
    matrix[:, lost] = np.nan
    return matrix


@lru_cache(maxsize=1)
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def true_connectivity(draw: PatientDraw, patient: int) -> TrueConnectivity:
    """Return a patient's true values."""
    latent = draw.latent
    return TrueConnectivity(
        float(latent.sgacc[patient]),
        float(latent.default_mode[patient]),
        float(latent.frontoparietal[patient]),
    )
