"""The artefact: one ResponsePredictor fitted on every patient of the training table."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Final

import numpy as np
from scipy.special import logit

from data_schemas.cohort import CohortSpec
from features.table import Feature
from serving.abstention import TrainingReference
from serving.booster_text import merge_boosters
from serving.model_document import (
    Abstention,
    BoosterDocument,
    Calibration,
    ConnectomeRequirements,
    FeatureDocument,
    IntervalDocument,
    LandmarkDocument,
    ModelDocument,
    Provenance,
    TrainingPopulation,
    patient_schema_hash,
)
from serving.predictor import ResponsePredictor
from training.config import TrainingConfig
from training.dataset import TrainingTable
from training.engine.program import SHAPING_LIBRARIES
from training.learning.harmonising import Harmoniser, fit_harmoniser
from training.learning.models import (
    BASE_RATE,
    LIGHTGBM_BOTH,
    BoostedModel,
    fit_boosted,
    varying_columns,
)
from training.learning.recalibration import Recalibration
from training.learning.reference import distance_limit, reference_distribution
from training.learning.rows import FloatArray, IntArray, TrainingRows
from training.learning.validation import model_columns

INTERVAL_METHOD: Final = "spread of the bagged boosters"


def fit_predictor(
    table: TrainingTable,
    spec: CohortSpec,
    config: TrainingConfig,
    *,
    served: str,
    fingerprint: str,
    always_abstains: str | None = None,
    landmark: LandmarkDocument | None = None,
) -> ResponsePredictor:
    """Fit the served model on all patients and put it into its artefact.

    Parameters
    ----------
    table : TrainingTable
        Both outcomes occur.
    spec : CohortSpec
        Whose outcome, treatment and licence the artefact states.
    served : str
        Name of the model, from `training.learning.validation.served_model`.
    fingerprint : str
        Of the cohort.
    always_abstains : str, optional
        Why the artefact must never answer, as a sentence.
    landmark : LandmarkDocument, optional
        When in the course of treatment the artefact is asked.
    """
    columns = _usable_columns(table, served)
    features = [table.features[number] for number in columns]
    measured = table.training_rows().columns(columns)
    harmoniser = Harmoniser(None) if served == BASE_RATE else fit_harmoniser(measured)
    rows = harmoniser.applied(measured)
    table = _with_columns(table, columns, rows.X)
    fitted = None if served == BASE_RATE else fit_boosted(rows, config)
    text, booster = None, None
    recalibration = Recalibration(0.0, float(logit(np.mean(table.y))))
    # Trees whose margins say nothing would only serve the base rate, in a roundabout way.
    if isinstance(fitted, BoostedModel) and fitted.recalibration.has_signal:
        text = merge_boosters(fitted.bag.boosters)
        booster = BoosterDocument.of(text, len(fitted.bag.boosters))
        recalibration = fitted.recalibration
    described = _feature_documents(features or table.features, table, config)
    draft = ModelDocument(
        name=config.tracking.model_name,
        version=version("tms-response"),
        schema_hash=patient_schema_hash(),
        outcome=spec.outcome.definition(config.outcome),
        depression_instrument=table.depression_instrument,
        anxiety_instrument=table.anxiety_instrument,
        base_rate=float(np.mean(table.y)),
        calibration=Calibration(slope=recalibration.slope, intercept=recalibration.intercept),
        booster=booster,
        interval=IntervalDocument(method=INTERVAL_METHOD, level=config.interval.level),
        abstention=_abstention(described, table, config, always_abstains),
        features=described,
        # All that are declared: one that the model does not use is no mistake to send.
        extra_measurements=spec.extra_declarations(),
        connectome=ConnectomeRequirements(
            quality=config.connectome,
            global_signal_regressed=table.global_signal_regressed,
            node_table=table.nodes,
        ),
        harmonisation=harmoniser.effects,
        landmark=landmark,
        sites=tuple(table.site_names),
        trained_on=population(table, spec),
        provenance=provenance(config, fingerprint),
    )
    if text is None:
        return ResponsePredictor(draft, None)
    contributions = ResponsePredictor(draft, text).contributions(rows.X)
    importance = np.mean(np.abs(contributions), axis=0)
    weighted = _feature_documents(features, table, config, importance)
    return ResponsePredictor(draft.model_copy(update={"features": weighted}), text)


def served_rows(
    table: TrainingTable, predictor: ResponsePredictor, others: TrainingRows | None = None
) -> TrainingRows:
    """Return rows as a model takes them: its columns, harmonised as it does for one patient.

    Parameters
    ----------
    table : TrainingTable
        That the model was fitted on.
    others : TrainingRows, optional
        From `table.rows_of`; the table's own patients without it.
    """
    columns = _columns(table, [feature.name for feature in predictor.features])
    rows = (table.training_rows() if others is None else others).columns(np.array(columns))
    return Harmoniser(predictor.document.harmonisation).applied(rows)


def population(table: TrainingTable, spec: CohortSpec) -> TrainingPopulation:
    """Return on whom the model was trained, as the artefact and the report state it."""
    return TrainingPopulation(
        cohort=spec.name,
        description=spec.description,
        treatment=spec.treatment.description,
        is_tms=spec.treatment.is_tms,
        simulated=spec.simulated,
        n_patients=len(table.y),
        n_events=int(np.count_nonzero(table.y)),
        n_sites=len(table.site_names),
        licence=spec.licence,
        citation=spec.citation,
    )


def provenance(config: TrainingConfig, fingerprint: str) -> Provenance:
    """Return what produced the model: seed, configuration, data and libraries."""
    return Provenance(
        seed=config.seed,
        config_hash=config.digest,
        data_fingerprint=fingerprint,
        library_versions={name: version(name) for name in SHAPING_LIBRARIES},
    )


def _usable_columns(table: TrainingTable, served: str) -> IntArray:
    """Return the columns of the served model that vary among the training patients.

    A model that serves the base rate lists all of them, since its notices speak of them.
    """
    wanted = model_columns(LIGHTGBM_BOTH if served == BASE_RATE else served, table)
    return wanted[varying_columns(table.X[:, wanted])]


def _with_columns(table: TrainingTable, columns: IntArray, values: FloatArray) -> TrainingTable:
    """Return the table with some columns as the model sees them, for its percentiles."""
    X = table.X.copy()
    X[:, columns] = values
    return replace(table, X=X)


def known(values: FloatArray) -> FloatArray:
    """Return the values that are not NaN."""
    return values[~np.isnan(values)]


def _abstention(
    features: Sequence[FeatureDocument],
    table: TrainingTable,
    config: TrainingConfig,
    always_abstains: str | None,
) -> Abstention:
    columns = _columns(table, [feature.name for feature in features])
    return Abstention(
        always=always_abstains,
        smaller_class_count=table.smaller_class,
        maximum_missing_importance=config.abstention.maximum_missing_importance,
        maximum_distance=distance_limit(
            TrainingReference(features), table.X[:, columns], config.abstention.distance_factor
        ),
    )


def _feature_documents(
    features: Sequence[Feature],
    table: TrainingTable,
    config: TrainingConfig,
    importance: FloatArray | None = None,
) -> tuple[FeatureDocument, ...]:
    """Describe the columns; importances are shares of their sum, 0 where nothing is learned."""
    total = 0.0 if importance is None else float(importance.sum())
    shares = np.zeros(len(features)) if importance is None or not total else importance / total
    columns = _columns(table, [feature.name for feature in features])
    return tuple(
        FeatureDocument(
            name=feature.name,
            label=feature.label,
            unit=feature.unit,
            domain=feature.domain,
            group=feature.group,
            monotone=feature.monotone,
            missing_share=float(np.mean(np.isnan(values))),
            reference=reference_distribution(values, config.abstention.input_factor),
            importance=float(share),
        )
        for feature, values, share in zip(features, table.X[:, columns].T, shares, strict=True)
    )


def _columns(table: TrainingTable, names: Sequence[str]) -> list[int]:
    places = {feature.name: number for number, feature in enumerate(table.features)}
    return [places[name] for name in names]
