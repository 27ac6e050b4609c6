"""Another cohort, on which the fitted models are judged without any refit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from data_schemas.errors import DataError
from data_schemas.extra import ExtraDeclaration
from serving.abstention import TrainingReference, reason_to_abstain
from serving.predictor import ResponsePredictor
from training.cohort.node_tables import refuse_other_nodes
from training.cohort.read import read_cohort
from training.cohort.records import CohortMember
from training.config import TrainingConfig
from training.dataset import (
    JUDGED,
    Bystanders,
    TrainingTable,
    bystanders,
    common_instrument,
    reached,
    sites_of,
)
from training.extraction import extracted_rows
from training.learning.fit import served_rows
from training.learning.harmonising import fit_harmoniser
from training.learning.models import probability
from training.learning.rows import BoolArray, FloatArray, SiteArray, TrainingRows
from training.learning.validation import fit_model, model_columns
from training.scans import PatientScans
from training.workshop import Workshop

STAGE: Final = "reading the external cohort"


@dataclass(frozen=True)
class ExternalPatients:
    """Patients of another study, described as the training patients are.

    Attributes
    ----------
    name : str
        Of their cohort.
    description : str
        Of their cohort.
    fingerprint : str
        SHA-256 of its spec and files.
    X : ndarray of float, shape (n, p)
        The training table's features.
    y : ndarray of bool, shape (n,)
        Whether each reached the outcome, by the definition of their own study's instrument.
    site : ndarray of str, shape (n,)
    has_connectome : ndarray of bool, shape (n,)
    unknown : Bystanders or None
        Further patients of the same arms, whose outcome is not known; None where there are none.
    """

    name: str
    description: str
    fingerprint: str
    X: FloatArray
    y: BoolArray
    site: SiteArray
    has_connectome: BoolArray
    unknown: Bystanders | None = None

    def table(self, trained: TrainingTable) -> TrainingTable:
        """Return these patients in the place of those of the training table."""
        return replace(
            trained, X=self.X, y=self.y, site=self.site, bystanders=self.unknown, started=None
        )


def read_external(
    path: Path, data: Path | None, table: TrainingTable, workshop: Workshop
) -> ExternalPatients:
    """Read a cohort for external validation: the arms that its spec would train on.

    Parameters
    ----------
    path, data : Path
        As of the training cohort.
    table : TrainingTable
        Whose features are computed.
    workshop : Workshop
        By whose engine scans are read, as those of the training cohort are.

    Raises
    ------
    DataError
        When it cannot be read, nobody's outcome is known, all outcomes are alike, its patients are
        rated on other instruments than the model's, its node table is another, or its scans were
        processed with global signal regression and those of the training patients without, or the
        other way round.
    """
    config = workshop.config
    cohort = read_cohort(path, data, workshop.stage(STAGE))
    members = cohort.trained_on()
    _check_instruments(members, table)
    _check_units(cohort.spec.extra_declarations(), table)
    y = reached(members, config.outcome) == 1
    if y.all() or not y.any():
        raise DataError(
            f"The external cohort {cohort.name} has {len(y)} patients with a known outcome, and "
            "not both outcomes among them; nothing can be judged on it."
        )
    refuse_other_nodes(cohort.name, cohort.nodes, table.nodes)
    scans = PatientScans(config.connectome, cohort.folder, table.nodes)
    lost = [member for member in cohort.not_trained_on() if member.outcome is None]
    X, X_lost = (
        extracted_rows(
            each, table.features, scans, workshop, stage=STAGE, fingerprint=cohort.fingerprint
        )
        for each in (members, lost)
    )
    unknown = bystanders(lost, X_lost, config) if lost else None
    _check_processing(cohort.name, scans.regressed(), table.global_signal_regressed)
    return ExternalPatients(
        name=cohort.name,
        description=cohort.spec.description,
        fingerprint=cohort.fingerprint,
        X=X,
        y=y,
        site=sites_of(members),
        has_connectome=_any_known(X[:, table.columns_of("connectivity")]),
        unknown=unknown,
    )


def external_frame(
    patients: ExternalPatients,
    table: TrainingTable,
    models: Sequence[str],
    predictor: ResponsePredictor,
    *,
    served: str,
    config: TrainingConfig,
) -> pd.DataFrame:
    """Return every model's predictions for the external patients.

    The served model is the artefact itself; the comparators are fitted on all training patients.

    Returns
    -------
    DataFrame
        Columns as of the out-of-fold predictions, one repeat, one fold; and `group`, which is
        `judged`, or `outcome unknown` where y is NaN.
    """
    few = table.smaller_class < config.minimum.smaller_class
    everyone = _with_unknown(patients, table)
    X = patients.X if patients.unknown is None else np.vstack([patients.X, patients.unknown.X])
    # Nothing is learned from them: their outcomes are not looked at.
    others = table.rows_of(
        X, np.zeros(len(X), dtype=bool), everyone["site"].to_numpy(dtype=np.str_)
    )
    frames = []
    for name in models:
        log_odds = (
            predictor.log_odds(served_rows(table, predictor, others).X)
            if name == served
            else _refitted_log_odds(name, table, others, config, too_few=few)
        )
        frames.append(
            everyone.assign(model=name, probability=probability(log_odds), log_odds=log_odds)
        )
    return pd.concat(frames, ignore_index=True)


def _with_unknown(patients: ExternalPatients, table: TrainingTable) -> pd.DataFrame:
    """Return all that is not a prediction: those of known outcome, then the others."""
    frame = pd.DataFrame(
        {"site": patients.site, "has_connectome": patients.has_connectome,
         "y": patients.y.astype(np.float64), "group": JUDGED}
    )  # fmt: skip
    if (lost := patients.unknown) is not None:
        scanned = _any_known(lost.X[:, table.columns_of("connectivity")])
        others = {"site": lost.site, "has_connectome": scanned, "y": lost.y, "group": lost.group}
        frame = pd.concat([frame, pd.DataFrame(others)], ignore_index=True)
    return frame.assign(row=np.arange(len(frame)) + 1, repeat=0, fold=0)


def count_abstained(
    patients: ExternalPatients, table: TrainingTable, predictor: ResponsePredictor
) -> int:
    """Return for how many external patients of known outcome the artefact declines to answer."""
    document = predictor.document
    reference = TrainingReference(document.features)
    others = table.rows_of(patients.X, patients.y, patients.site)
    rows = served_rows(table, predictor, others).X
    return sum(
        reason_to_abstain(reference.compared(row), document, reference) is not None for row in rows
    )


def _refitted_log_odds(
    name: str, table: TrainingTable, others: TrainingRows, config: TrainingConfig, *, too_few: bool
) -> FloatArray:
    columns = model_columns(name, table)
    measured = table.training_rows().columns(columns)
    harmoniser = fit_harmoniser(measured)
    fitted = fit_model(name, harmoniser.applied(measured), config, too_few=too_few)
    return fitted.log_odds(harmoniser.applied(others.columns(columns)).X)


def _check_instruments(members: Sequence[CohortMember], table: TrainingTable) -> None:
    for field in ("depression_instrument", "anxiety_instrument"):
        trained, found = getattr(table, field), common_instrument(members, field)
        if trained is not None and found is not None and trained != found:
            raise DataError(
                f"The external cohort rates {field.split('_', maxsplit=1)[0]} on {found}, the "
                f"model was trained on {trained}; totals are not converted. Map the {trained} "
                "total in its cohort.toml, or leave the field out."
            )


def _check_processing(name: str, found: bool | None, trained: bool | None) -> None:
    if found is not None and trained is not None and found != trained:
        words = {True: "with", False: "without"}
        raise DataError(
            f"The scans of the external cohort {name} were processed {words[found]} global signal "
            f"regression, those that the model learned from {words[trained]}; the sign of an "
            "anticorrelation depends on it. Process them alike, or leave the scans out of its "
            "cohort.toml."
        )


def _check_units(declared: Sequence[ExtraDeclaration], table: TrainingTable) -> None:
    trained = {feature.name: feature.unit for feature in table.features}
    for extra in declared:
        if trained.get(extra.name, extra.unit) != extra.unit:
            raise DataError(
                f"The external cohort gives {extra.name} in {extra.unit}, the model was trained on "
                f"{trained[extra.name]}; declare it in the same unit, or leave it out."
            )


def _any_known(columns: FloatArray) -> BoolArray:
    known: BoolArray = np.any(~np.isnan(columns), axis=1)
    return known
