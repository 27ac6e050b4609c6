"""Training tables straight from a draw of simulated patients, as reading its files would give."""

import numpy as np

from data_schemas.connectome import Connectome, ConnectomeQuality
from data_schemas.patient import Patient
from features.patient_rows import patient_row
from features.table import feature_table
from training.config import TrainingConfig
from training.dataset import TrainingTable
from training.learning.rows import FloatArray, IntArray
from training.learning.splits import pool_single_patient_sites
from training.simulator.clinical import OUTCOME_INSTRUMENT
from training.simulator.draw import PatientDraw
from training.simulator.matrices import parcel_labels
from training.simulator.patients import to_patients
from training.simulator.scans import choose_scanned, draw_matrix, draw_scan, true_connectivity
from training.summary import ConnectomeCounts

# With which matrices are written to a cohort's files.
DECIMALS = 3


def drawn_table(
    draw: PatientDraw, config: TrainingConfig, n_matrices: int | None = None
) -> TrainingTable:
    """Return the patients whose outcome is known, with the features that training computes.

    Parameters
    ----------
    n_matrices : int, optional
        Patients with a scan; as many as `simulate` writes without it.
    """
    if n_matrices is None:
        n_matrices = round(draw.parameters.scans.share_with_matrix * len(draw))
    known = np.flatnonzero(draw.outcome_known)
    site = np.array(draw.site_names())[known]
    features = feature_table(
        config.feature_groups, depression_instrument=OUTCOME_INSTRUMENT, anxiety_instrument="GAD-7"
    )
    return TrainingTable(
        X=np.array([patient_row(patient, features)
                    for patient in _scanned(draw, known, n_matrices, config.connectome)]),
        y=draw.outcomes.response[known],
        site=pool_single_patient_sites(site),
        features=features,
        connectomes=ConnectomeCounts(n_read=0, n_accepted=0, refused={}),
        depression_instrument=OUTCOME_INSTRUMENT,
        anxiety_instrument="GAD-7",
        site_names=tuple(np.unique(site).tolist()),
    )  # fmt: skip


def _scanned(
    draw: PatientDraw, rows: IntArray, n_matrices: int, quality: ConnectomeQuality
) -> list[Patient]:
    """Return some patients of a draw, with their connectomes where these are accepted."""
    everyone = to_patients(draw)
    scanned = set(choose_scanned(draw, n_matrices).tolist())
    patients = []
    for row in rows.tolist():
        connectome = _connectome(draw, row) if row in scanned else None
        if connectome is not None and quality.refusal(connectome) is not None:
            connectome = None
        patients.append(everyone[row].model_copy(update={"connectome": connectome}))
    return patients


def _connectome(draw: PatientDraw, patient: int) -> Connectome:
    scan = draw_scan(draw.seed, patient, draw.parameters.scans)
    truth = true_connectivity(draw, patient)
    matrix: FloatArray = draw_matrix(draw.seed, scan, truth, draw.parameters)
    return Connectome.from_matrix(
        parcel_labels(),
        np.rint(matrix * 10**DECIMALS) / 10**DECIMALS,
        n_volumes=scan.n_volumes,
        mean_framewise_displacement_mm=scan.mean_framewise_displacement_mm,
        global_signal_regressed=True,
    )
