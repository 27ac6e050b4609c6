"""Simulated patients as arrays, through the simulator and the feature table that users meet."""

from collections.abc import Iterator

import joblib
import numpy as np

from features.transformer import PatientFeatures
from training.learning.rows import BoolArray, FloatArray, SiteArray, TrainingRows
from training.simulator.draw import PatientDraw, draw_patients
from training.simulator.patients import to_patients

SEED = 7
PATIENTS_AT_ONCE = 25_000
SCENARIO = "optimistic"
FEATURES = PatientFeatures(groups=("clinical",))
Chunk = tuple[FloatArray, BoolArray, SiteArray]


def chunks(n_patients: int, cores: int = 1) -> Iterator[Chunk]:
    """Yield features, outcomes and sites of patients who are all treated at the same sites."""
    whole, rest = divmod(n_patients, PATIENTS_AT_ONCE)
    sizes = [PATIENTS_AT_ONCE] * whole + [rest] * (rest > 0)
    call = joblib.delayed(_chunk)
    yield from joblib.Parallel(cores, return_as="generator")(
        call(size, number) for number, size in enumerate(sizes)
    )


def simulated_rows(n_patients: int) -> TrainingRows:
    """Return some patients at once."""
    X, y, site = (np.concatenate(parts) for parts in zip(*chunks(n_patients), strict=True))
    return TrainingRows(X, y, site, monotone())


def monotone() -> tuple[int, ...]:
    return tuple(feature.monotone for feature in FEATURES.features)


def _chunk(n_patients: int, number: int) -> Chunk:
    sites = draw_patients(1000, SCENARIO, SEED).enrolment.sites
    draw: PatientDraw = draw_patients(n_patients, SCENARIO, SEED + number, sites=sites)
    X = FEATURES.transform(to_patients(draw))
    return X, np.asarray(draw.outcomes.response), np.array(draw.site_names(), dtype=np.str_)
