"""`summary.json` of a run, made from its parts."""

from collections.abc import Sequence

import pandas as pd

from serving.model_document import ModelDocument
from training.burden.summary import BurdenSummary
from training.characteristics import characteristics, site_counts
from training.checks.run import ALL_CHECKS, run_checks
from training.cohort.records import Cohort
from training.config import TrainingConfig
from training.dataset import TrainingTable
from training.external import ExternalPatients
from training.judging.judge import Judged
from training.learning.fit import population, provenance
from training.learning.models import MODEL_LABELS, varying_columns
from training.learning.splits import LEAVE_ONE_SITE_OUT, count_sites
from training.learning.validation import FoldResult, model_columns, served_model
from training.site_characteristics import characteristics_by_site
from training.summary import ExternalCohort, FlowCount, ModelSummary, RunSummary


def summarise(
    cohort: Cohort,
    table: TrainingTable,
    judged: Judged,
    evaluation: pd.DataFrame,
    document: ModelDocument,
    *,
    config: TrainingConfig,
    external: ExternalPatients | None = None,
    burden: BurdenSummary | None = None,
) -> RunSummary:
    """Return what a run says about itself.

    Parameters
    ----------
    judged : Judged
        The primary outcome.
    evaluation : DataFrame
        The whole of `evaluation.csv`.
    document : ModelDocument
        Of the artefact.
    external : ExternalPatients, optional
        On whom the models were judged without a refit.
    burden : BurdenSummary, optional
        Sessions and cost for each responder.
    """
    return RunSummary(
        population=population(table, cohort.spec),
        outcome=document.outcome,
        secondary_outcomes=tuple(
            str(kind) for kind in evaluation["outcome"].unique() if kind != config.outcome
        ),
        arms_trained_on=cohort.spec.arms.train_on if cohort.spec.arms else (),
        flow=tuple(FlowCount(step=s.step, n_patients=s.remaining) for s in cohort.flow),
        sites=site_counts(table),
        characteristics=characteristics(table),
        characteristics_by_site=characteristics_by_site(table),
        split=_split_sentence(judged, table, config),
        split_name=judged.split_name,
        models=tuple(_model_summary(name, table, judged.results) for name in judged.models),
        served_model=served_model(judged.models),
        model_version=f"{document.version}+{document.digest}",
        always_abstains=document.abstention.always,
        connectomes=table.connectomes,
        external=external and _external(external),
        burden=burden,
        findings=run_checks(
            cohort, table, evaluation, judged.models, document, config=config.checks
        ),
        checks_made={check.code: check.title for check in ALL_CHECKS},
        config=config.model_dump(mode="json"),
        provenance=provenance(config, cohort.fingerprint),
    )


def _external(patients: ExternalPatients) -> ExternalCohort:
    return ExternalCohort(
        name=patients.name,
        description=patients.description,
        n_patients=len(patients.y),
        n_events=int(patients.y.sum()),
        data_fingerprint=patients.fingerprint,
    )


def _split_sentence(judged: Judged, table: TrainingTable, config: TrainingConfig) -> str:
    if judged.split_name == LEAVE_ONE_SITE_OUT:
        return (
            f"Each of {len(judged.splits)} sites was held out in turn; everything was learned "
            "anew from the other sites."
        )
    repeats = 1 + max(split.repeat for split in judged.splits)
    n_sites = count_sites(table.site)
    few = f"of two patients or more and not {config.validation.minimum_sites}"
    why = {0: "no site of two patients or more is recorded", 1: f"there is one site {few}"}
    times = "once" if repeats == 1 else f"repeated {repeats} times"
    return (
        f"{len(judged.splits) // repeats}-fold cross-validation of single patients, {times}, "
        f"since {why.get(n_sites, f'there are {n_sites} sites {few}')}; "
        "everything was learned anew in each fold."
    )


def _model_summary(name: str, table: TrainingTable, results: Sequence[FoldResult]) -> ModelSummary:
    columns = model_columns(name, table)
    seen = varying_columns(table.X[:, columns])
    chosen = pd.Series([r.settings for r in results if r.model == name and r.settings])
    counts = chosen.value_counts(sort=False).sort_values(ascending=False, kind="stable")
    settings = "; ".join(
        f"{text} ({count} {'fold' if count == 1 else 'folds'})"
        for text, count in counts.head(3).items()
    )
    return ModelSummary(
        name=name, label=MODEL_LABELS[name], n_features=len(seen), settings=settings
    )
