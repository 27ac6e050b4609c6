"""Simulated connectomes on the labels of the 4S456 atlas: a true correlation, seen by a scan.

The time series of a parcel is a sum of parts with total variance one: the signal of its system (a
network or a subcortical structure), a field that is smooth in space and alike at mirrored places,
for the left DLPFC and the subgenual proxy a signal of their own, and private noise. A patient's
true values set three of the parts: the correlation of left DLPFC and subgenual proxy, and the
strength of the default mode and the frontoparietal signals. A scan of finite length is then drawn
and correlated, so that every edge carries the sampling error of a real one (a Wishart draw).

Labels: PennLINC AtlasPack, atlas-4S456Parcels_dseg.tsv.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from features.atlas import NETWORKS, centroids_mni_mm, parse_label, regions
from training.simulator.parameter_sections import Matrices

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_BASAL_GANGLIA = (
    "Pu", "Ca", "NAC", "EXA", "GPe", "GPi", "SNc_PBP_VTA", "RN", "SNr", "VeP", "HN", "HTH", "MN",
    "STH",
)  # fmt: skip
_THALAMUS = (
    "Pulvinar", "Anterior", "Medio_Dorsal", "Ventral_Latero_Dorsal",
    "Central_Lateral-Lateral_Posterior-Medial_Pulvinar", "Ventral_Anterior",
    "Ventral_Latero_Ventral",
)  # fmt: skip
# The systems after the seven networks, in the order of [matrices] in parameters.toml.
_STRUCTURES: Final = (
    tuple(f"{side}-{nucleus}" for side in ("LH", "RH") for nucleus in _BASAL_GANGLIA),
    tuple(f"{side}-{nucleus}" for side in ("LH", "RH") for nucleus in _THALAMUS),
    tuple(f"{side}_{part}" for side in ("LH", "RH") for part in ("Hippocampus", "Amygdala")),
    tuple(f"Cerebellar_Region{number}" for number in range(1, 11)),
)

_SMALLEST_VARIANCE = 0.02
_LARGEST_SYSTEM_VARIANCE = 0.42
_FEWEST_SAMPLES = 20


class TrueConnectivity(NamedTuple):
    """Standardised true values of one patient."""

    sgacc: float
    default_mode: float
    frontoparietal: float


@lru_cache(maxsize=1)
def parcel_labels() -> tuple[str, ...]:
    """Return the 456 labels of the 4S456 atlas in its order: 400 cortical, then 56 others."""
    others = (label for structure in _STRUCTURES for label in structure)
    return (*centroids_mni_mm(), *others)


class _Model(NamedTuple):
    """What all patients share: systems (456,), factors, and the parcels of the two regions."""

    system: IntArray
    coupling_factor: FloatArray
    field_factor: FloatArray
    dlpfc: IntArray
    sgacc: IntArray


@lru_cache(maxsize=4)
def _model(matrices: Matrices) -> _Model:
    labels = parcel_labels()
    networks = list(NETWORKS)
    cortical = [parse_label(label).network for label in labels]
    structure = {
        label: len(networks) + number
        for number, members in enumerate(_STRUCTURES)
        for label in members
    }
    system = [
        structure[label] if network is None else networks.index(network)
        for label, network in zip(labels, cortical, strict=True)
    ]
    place = {label: number for number, label in enumerate(labels)}
    dlpfc, sgacc = (
        np.array([place[label] for label in regions()[name].parcels])
        for name in ("left_dlpfc", "sgacc_proxy")
    )
    coupling = np.array(matrices.system_coupling)
    return _Model(
        system=np.array(system),
        coupling_factor=np.asarray(np.linalg.cholesky(coupling), dtype=np.float64),
        field_factor=np.asarray(np.linalg.cholesky(_field_covariance(matrices)), dtype=np.float64),
        dlpfc=dlpfc,
        sgacc=sgacc,
    )


def _field_covariance(matrices: Matrices) -> FloatArray:
    """Return the covariance of the field, (456, 456).

    In the cortex it falls exponentially with distance, and with distance after folding the
    hemispheres onto each other; elsewhere structures of one name share it across hemispheres.
    """
    centroids = np.array(list(centroids_mni_mm().values()))
    folded = np.column_stack([np.abs(centroids[:, 0]), centroids[:, 1:]])
    local = np.exp(-_distances(centroids) / matrices.smoothness_mm)
    homotopic = np.exp(-_distances(folded) / matrices.smoothness_mm)
    unsided = [label.removeprefix("LH").removeprefix("RH") for label in parcel_labels()]
    below = np.array(unsided[len(centroids) :])
    mirrored = (below[:, None] == below[None, :]).astype(np.float64)
    n = len(unsided)
    covariance = np.zeros((n, n))
    cortex, rest = slice(len(centroids)), slice(len(centroids), n)
    covariance[cortex, cortex] = (
        matrices.local_variance * local + matrices.homotopic_variance * homotopic
    )
    covariance[rest, rest] = (
        matrices.local_variance * np.eye(len(below)) + matrices.homotopic_variance * mirrored
    )
    return covariance


def _distances(points: FloatArray) -> FloatArray:
    differences = points[:, None, :] - points[None, :, :]
    return np.asarray(np.sqrt(np.sum(differences**2, axis=-1)))


def simulate_matrix(
    truth: TrueConnectivity,
    n_samples: int,
    matrices: Matrices,
    rng: np.random.Generator,
) -> FloatArray:
    """Draw the correlation matrix that a scan of one patient gives.

    Parameters
    ----------
    truth : TrueConnectivity
        Standardised true values; `parameters.toml` gives mean and SD of what they stand for.
    n_samples : int
        Independent samples of the scan, fewer than its volumes; at least 20 are drawn.
    matrices : Matrices
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (456, 456)
        Pearson r in the order of `parcel_labels`, exactly symmetric, ones on the diagonal.
    """
    model = _model(matrices)
    n, n_parcels = max(n_samples, _FEWEST_SAMPLES), len(model.system)
    variance = _system_variance(truth, matrices, rng)[model.system]
    signals = rng.standard_normal((n, len(model.coupling_factor))) @ model.coupling_factor.T
    series = np.sqrt(variance) * signals[:, model.system]
    series += rng.standard_normal((n, n_parcels)) @ model.field_factor.T
    pair_loading = _pair_loading(truth, matrices, model)
    series += rng.standard_normal((n, 1)) * pair_loading
    explained = variance + matrices.local_variance + matrices.homotopic_variance + pair_loading**2
    private = np.maximum(1 - explained, _SMALLEST_VARIANCE)
    series += np.sqrt(private) * rng.standard_normal((n, n_parcels))
    return _correlations(series)


def _system_variance(
    truth: TrueConnectivity, matrices: Matrices, rng: np.random.Generator
) -> FloatArray:
    mean = np.array(matrices.system_variance)
    variance = mean + matrices.system_variance_sd * rng.standard_normal(len(mean))
    names = list(NETWORKS)
    for name, value in (("Default", truth.default_mode), ("Cont", truth.frontoparietal)):
        number = names.index(name)
        variance[number] = mean[number] + matrices.network_sd * value
    return np.clip(variance, _SMALLEST_VARIANCE, _LARGEST_SYSTEM_VARIANCE)


def _pair_loading(truth: TrueConnectivity, matrices: Matrices, model: _Model) -> FloatArray:
    """Return the loadings (456,) of the signal that left DLPFC and subgenual proxy share.

    The product of the two is their true correlation.
    """
    loading = np.zeros(len(model.system))
    loading[model.dlpfc] = np.sqrt(matrices.dlpfc_variance)
    correlation = matrices.sgacc_mean + matrices.sgacc_sd * truth.sgacc
    loading[model.sgacc] = correlation / np.sqrt(matrices.dlpfc_variance)
    return loading


def _correlations(series: FloatArray) -> FloatArray:
    series = series - series.mean(axis=0)
    series /= np.sqrt(np.sum(series**2, axis=0))
    upper = np.triu(series.T @ series, k=1)
    return np.clip(upper + upper.T + np.eye(len(upper)), -1.0, 1.0)
