"""Small models of a made-up outcome in random patients, and a way to ask them over HTTP."""

import asyncio
from collections.abc import AsyncIterable, Sequence
from typing import Any

import httpx
import lightgbm
import numpy as np
import numpy.typing as npt
import orjson
from starlette.types import ASGIApp

from data_schemas.extra import ExtraDeclaration
from data_schemas.outcome import OutcomeDefinition
from data_schemas.patient import Patient
from features.patient_rows import patient_row
from features.table import Feature, extra_feature, feature_table
from serving.booster_text import merge_boosters
from serving.model_document import (
    Abstention,
    BoosterDocument,
    Calibration,
    ConnectomeRequirements,
    FeatureDocument,
    IntervalDocument,
    ModelDocument,
    Provenance,
    TrainingPopulation,
    patient_schema_hash,
)
from serving.predictor import ResponsePredictor
from training.learning.reference import reference_distribution

N_BAGS = 5
SITES = ("clinic_a", "clinic_b")
EXTRA = ExtraDeclaration(
    name="grip_kg",
    meaning="made up for tests",
    label="Grip strength",
    unit="kg",
    minimum=0.0,
    maximum=100.0,
)


def random_patient(rng: np.random.Generator, site: str | None = None) -> Patient:
    """Return a patient with about a tenth of the fields unknown."""
    fields: dict[str, Any] = {
        "age_years": float(rng.integers(18, 80)),
        "sex": str(rng.choice(["female", "male"])),
        "employed": bool(rng.random() < 0.5),
        "education_years": float(rng.integers(8, 20)),
        "polarity": str(rng.choice(["unipolar", "bipolar"], p=[0.9, 0.1])),
        "recurrent": bool(rng.random() < 0.7),
        "episode_duration_months": float(rng.gamma(2.0, 8.0)),
        "failed_trials": int(rng.integers(1, 7)),
        "augmentation_failed": bool(rng.random() < 0.4),
        "ect_history": bool(rng.random() < 0.1),
        "psychotic_features": False,
        "depression_total": float(rng.integers(10, 27)),
        "anxiety_total": float(rng.integers(3, 21)),
        "benzodiazepine": bool(rng.random() < 0.3),
        "ssri": bool(rng.random() < 0.5),
        "sessions_planned": int(rng.choice([20, 30, 36])),
        "protocol": str(rng.choice(["itbs", "high_frequency"])),
        "target": "left_dlpfc",
    }
    known = {name: value for name, value in fields.items() if rng.random() < 0.9}
    extra = {"grip_kg": float(rng.normal(30, 5))} if rng.random() < 0.5 else {}
    return Patient(
        **known, depression_instrument="PHQ-9", anxiety_instrument="GAD-7", site=site, extra=extra
    )


def described(
    features: Sequence[Feature], X: npt.NDArray[np.float64], importance: npt.NDArray[np.float64]
) -> tuple[FeatureDocument, ...]:
    """Describe features by their percentiles, as training does."""
    documents = []
    for column, feature in enumerate(features):
        documents.append(
            FeatureDocument(
                name=feature.name,
                label=feature.label,
                unit=feature.unit,
                domain=feature.domain,
                group=feature.group,
                monotone=feature.monotone,
                missing_share=float(np.isnan(X[:, column]).mean()),
                reference=reference_distribution(X[:, column], factor=1.4),
                importance=float(importance[column]),
            )
        )
    return tuple(documents)


def fit_boosters(
    X: npt.NDArray[np.float64], y: npt.NDArray[np.bool_], n_bags: int = N_BAGS, leaves: int = 5
) -> list[lightgbm.Booster]:
    """Fit bags of small boosters; later bags have fewer trees."""
    rng = np.random.default_rng(5)
    parameters = {
        "objective": "binary",
        "num_leaves": leaves,
        "min_data_in_leaf": 10,
        "learning_rate": 0.1,
        "verbosity": -1,
        "num_threads": 1,
        "seed": 3,
        "deterministic": True,
        "force_row_wise": True,
    }
    boosters = []
    for bag in range(n_bags):
        drawn = rng.integers(0, len(X), len(X))
        data = lightgbm.Dataset(X[drawn], y[drawn])
        boosters.append(lightgbm.train(parameters, data, num_boost_round=12 - bag))
    return boosters


def fit_predictor(
    patients: Sequence[Patient], groups: tuple[str, ...] = ("clinical",)
) -> ResponsePredictor:
    """Fit a small model of a made-up outcome."""
    features = feature_table(
        groups,
        depression_instrument="PHQ-9",
        anxiety_instrument="GAD-7",
        extra=[extra_feature(EXTRA.name, EXTRA.label, EXTRA.unit)],
    )
    X = np.array([patient_row(patient, features) for patient in patients])
    names = [feature.name for feature in features]
    rng = np.random.default_rng(2)
    signal = 0.4 * np.nan_to_num(X[:, names.index("failed_trials")], nan=3.0)
    signal += np.nan_to_num(X[:, names.index("benzodiazepine")])
    y = signal + rng.normal(size=len(X)) < np.median(signal)
    text = merge_boosters(fit_boosters(X, y))
    document = ModelDocument(
        name="tms-response",
        version="0.1.0",
        schema_hash=patient_schema_hash(),
        outcome=OutcomeDefinition(kind="response", instrument="PHQ-9"),
        depression_instrument="PHQ-9",
        anxiety_instrument="GAD-7",
        base_rate=float(y.mean()),
        calibration=Calibration(slope=0.8, intercept=-0.1),
        booster=BoosterDocument.of(text, N_BAGS),
        interval=IntervalDocument(method="spread of 5 bagged boosters", level=0.9),
        abstention=Abstention(
            smaller_class_count=int(min(y.sum(), (~y).sum())),
            maximum_missing_importance=0.6,
            maximum_distance=4.0,
        ),
        features=described(features, X, np.zeros(X.shape[1])),
        extra_measurements=(EXTRA,),
        required_fields=("depression_total",),
        connectome=ConnectomeRequirements(global_signal_regressed=False),
        sites=SITES,
        trained_on=TrainingPopulation(
            cohort="made-up",
            description="Random patients.",
            treatment="TMS",
            is_tms=True,
            simulated=True,
            n_patients=len(y),
            n_events=int(y.sum()),
            n_sites=len(SITES),
            licence="CC0-1.0",
            citation="none",
        ),
        provenance=Provenance(
            seed=1, config_hash="0", data_fingerprint="0", library_versions={"lightgbm": "4"}
        ),
    )
    sizes = np.abs(ResponsePredictor(document, text).contributions(X)).mean(axis=0)
    weighted = described(features, X, sizes / sizes.sum())
    return ResponsePredictor(document.model_copy(update={"features": weighted}), text)


def ask(
    app: ASGIApp,
    method: str,
    path: str,
    content: bytes | AsyncIterable[bytes] | None = None,
    record: object = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """Send one request to an application in this process.

    Parameters
    ----------
    content : bytes or async iterable of bytes, optional
        The body as it is.
    record : object, optional
        The body as JSON, where there is no `content`.
    headers : dict of str to str, optional
        Content types are not added by themselves.
    """
    body = orjson.dumps(record) if content is None and record is not None else content

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, content=body, headers=headers)

    return asyncio.run(send())
