"""A small fitted model, patients for it, and the folder of its run, for the tests of tracking."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from data_schemas.connectome import Connectome
from data_schemas.extra import ExtraDeclaration
from data_schemas.outcome import OutcomeDefinition
from data_schemas.patient import Patient
from features.patient_rows import patient_row
from features.table import extra_feature, feature_table
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
from training.burden.summary import BurdenFigure, BurdenSummary
from training.config import load_config
from training.learning.reference import reference_distribution
from training.summary import ConnectomeCounts, ModelSummary, RunSummary

GRIP = ExtraDeclaration(
    name="grip_kg",
    meaning="made up for tests",
    label="Grip strength",
    unit="kg",
    minimum=0.0,
    maximum=100.0,
)
_NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default")
_LABELS = tuple(
    f"{side}H_{network}_{part}" for side in "LR" for network in _NETWORKS for part in "12"
)


@contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Let MLflow be imported where warnings are errors, without its telemetry."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def made_up_connectome(rng: np.random.Generator) -> Connectome:
    """Return the correlations of 28 parcels over 60 volumes of noise, one of them missing."""
    matrix = np.atleast_2d(np.corrcoef(rng.normal(size=(len(_LABELS), 60))))
    matrix[0, 1] = matrix[1, 0] = np.nan
    return Connectome.from_matrix(_LABELS, matrix, n_volumes=200)


def made_up_patients(n: int = 60, seed: int = 4) -> list[Patient]:
    """Return patients with about a tenth of the fields unknown; every third has a scan."""
    rng = np.random.default_rng(seed)
    return [_made_up_patient(rng, scanned=number % 3 == 0) for number in range(n)]


def _made_up_patient(rng: np.random.Generator, *, scanned: bool) -> Patient:
    fields: dict[str, Any] = {
        "age_years": float(rng.normal(45, 10)),
        "sex": str(rng.choice(["female", "male"])),
        "employed": bool(rng.random() < 0.5),
        "polarity": "unipolar",
        "episode_duration_months": float(rng.gamma(2.0, 8.0)),
        "failed_trials": int(rng.integers(1, 7)),
        "anxiety_total": float(rng.integers(3, 21)),
        "benzodiazepine": bool(rng.random() < 0.3),
        "coil_site_mni_mm": (-38.0, 44.0, 26.0 + float(rng.normal())),
        "sessions_planned": int(rng.choice([20, 36])),
        "site": str(rng.choice(["a", "b"])),
        "extra": {GRIP.name: float(rng.uniform(10, 60))},
    }
    known = {name: value for name, value in fields.items() if rng.random() < 0.9}
    items = tuple(int(item) for item in rng.integers(1, 4, size=9))
    return Patient(
        **known,
        depression_instrument="PHQ-9",
        depression_items=items,
        anxiety_instrument="GAD-7",
        connectome=made_up_connectome(rng) if scanned else None,
    )


def training_patients() -> list[Patient]:
    """Return those on whom `tiny_predictor` was fitted."""
    return made_up_patients(120, seed=1)


@cache
def tiny_predictor() -> ResponsePredictor:
    """Return a model of clinical and connectivity features, fitted on random outcomes."""
    features = feature_table(extra=[extra_feature(GRIP.name, GRIP.label, GRIP.unit)])
    X = np.array([patient_row(patient, features) for patient in training_patients()])
    y = np.random.default_rng(2).random(len(X)) < 0.5
    settings = {"objective": "binary", "num_leaves": 4, "min_data_in_leaf": 5, "verbosity": -1,
                "num_threads": 1, "seed": 1, "deterministic": True}  # fmt: skip
    halves = [np.arange(len(X)) % 2 == half for half in (0, 1)]
    boosters = [lightgbm.train(settings, lightgbm.Dataset(X[h], y[h]), 8) for h in halves]
    text = merge_boosters(boosters)
    documents = tuple(
        FeatureDocument(
            **{name: getattr(feature, name)
               for name in ("name", "label", "unit", "domain", "group", "monotone")},
            missing_share=float(np.isnan(X[:, column]).mean()),
            reference=reference_distribution(X[:, column], factor=1.4),
            importance=1 / len(features),
        )
        for column, feature in enumerate(features)
    )  # fmt: skip
    document = ModelDocument(
        name="tms-response",
        version="0.1.0",
        schema_hash=patient_schema_hash(),
        outcome=OutcomeDefinition(kind="response", instrument="PHQ-9"),
        depression_instrument="PHQ-9",
        anxiety_instrument="GAD-7",
        base_rate=float(y.mean()),
        calibration=Calibration(slope=0.9, intercept=-0.1),
        booster=BoosterDocument.of(text, len(boosters)),
        interval=IntervalDocument(method="spread of the bagged boosters", level=0.9),
        abstention=Abstention(
            smaller_class_count=50, maximum_missing_importance=0.9, maximum_distance=1.1
        ),
        features=documents,
        extra_measurements=(GRIP,),
        connectome=ConnectomeRequirements(),
        sites=("a", "b"),
        trained_on=_population(len(y), int(y.sum())),
        provenance=Provenance(
            seed=7, config_hash="c" * 64, data_fingerprint="f" * 64, library_versions={}
        ),
    )
    return ResponsePredictor(document, text)


def _population(n_patients: int, n_events: int) -> TrainingPopulation:
    return TrainingPopulation(
        cohort="made-up",
        description="Noise.",
        treatment="none",
        is_tms=False,
        simulated=True,
        n_patients=n_patients,
        n_events=n_events,
        n_sites=2,
        licence="CC0-1.0",
        citation="none",
    )


def write_run_folder(folder: Path) -> Path:
    """Write what training leaves behind: tables, summary, report and model."""
    folder.mkdir()
    predictor = tiny_predictor()
    predictor.save(folder / "model")
    evaluation_table().to_csv(folder / "evaluation.csv", index=False)
    held_out = {"row": [1, 2], "site": "a", "y": [0, 1], "probability": [0.3, 0.6]}
    for name in ("out_of_fold.csv", "held_out.csv"):
        pd.DataFrame(held_out).to_csv(folder / name, index=False)
    (folder / "report.html").write_text("<!doctype html><title>A report</title>", "utf-8")
    np.savez(folder / "explanations.npz", X=np.zeros((2, 2)))
    _summary(predictor.document).save(folder)
    return folder


def evaluation_table() -> pd.DataFrame:
    """Return a table with figures, a curve, a single site and one that could not be computed."""
    split, nan = "leave_one_site_out", float("nan")
    rows = [
        ("lightgbm_both", split, "brier", nan, 0.21, 0.19, 0.23),
        ("lightgbm_both", f"{split}/within_site", "auroc", nan, 0.62, 0.56, 0.68),
        ("lightgbm_both", f"{split}/site=a", "auroc", nan, 0.7, 0.5, 0.9),
        ("lightgbm_both", split, "net_benefit", 0.2, 0.1, 0.0, 0.2),
        ("base_rate", split, "brier", nan, 0.25, 0.25, 0.25),
        ("base_rate", split, "calibration_slope", nan, nan, nan, nan),
        ("lightgbm_both - lightgbm_clinical", split, "brier", nan, 0.02, -0.01, 0.05),
    ]
    columns = ["model", "split", "metric", "threshold", "estimate", "lower", "upper"]
    response = pd.DataFrame(rows, columns=columns).assign(n=120, outcome="response")
    remission = response.assign(outcome="remission", estimate=response["estimate"] / 2)
    return pd.concat([response, remission], ignore_index=True)


BURDEN = BurdenSummary(
    treat_all={"sessions_per_responder": BurdenFigure(estimate=64, lower=60, upper=None)}
)


def _summary(document: ModelDocument) -> RunSummary:
    return RunSummary(
        population=document.trained_on,
        outcome=document.outcome,
        arms_trained_on=(),
        flow=(),
        sites=(),
        characteristics=(),
        split="Each site was held out in turn.",
        split_name="leave_one_site_out",
        models=(ModelSummary(name="lightgbm_both", label="All", n_features=2, settings=""),),
        served_model="lightgbm_both",
        model_version=f"{document.version}+{document.digest}",
        always_abstains=None,
        connectomes=ConnectomeCounts(n_read=0, n_accepted=0, refused={}),
        burden=BURDEN,
        findings=(),
        config=load_config().model_dump(mode="json"),
        provenance=document.provenance,
    )
