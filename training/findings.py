"""What the reader of a run must know, as sentences made from its numbers."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from serving.model_document import ModelDocument
from training.cohort.records import Cohort
from training.dataset import TrainingTable
from training.learning.models import BASE_RATE, LIGHTGBM_BOTH, LIGHTGBM_CLINICAL, MODEL_LABELS
from training.learning.splits import SINGLE_PATIENT_SITES, UNKNOWN_SITE
from training.summary import Finding


def too_few_sentence(table: TrainingTable, minimum: int) -> str | None:
    """Return why this cohort is too small to tune a model on, or None when it is not."""
    if table.smaller_class >= minimum:
        return None
    return (
        f"Only {table.smaller_class} patients are in the rarer outcome; at least {minimum} are "
        "needed to fit a model, so only the base rate and a fixed logistic regression were "
        "evaluated, and the model never answers."
    )


def findings(
    cohort: Cohort,
    table: TrainingTable,
    evaluation: pd.DataFrame,
    models: Sequence[str],
    document: ModelDocument,
) -> tuple[Finding, ...]:
    """Return everything noteworthy about a run, errors and warnings first."""
    found = [
        *_about_the_cohort(cohort, table),
        *_about_the_model(document),
        *_about_the_comparison(evaluation, models),
    ]
    order = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def _warning(message: str) -> Finding:
    return Finding(severity="warning", message=message)


def _note(message: str) -> Finding:
    return Finding(severity="note", message=message)


def _about_the_cohort(cohort: Cohort, table: TrainingTable) -> Iterator[Finding]:
    if cohort.simulated:
        yield _warning("The patients are simulated; nothing here is evidence about real patients.")
    if not cohort.spec.treatment.is_tms:
        yield _warning(
            "The treatment was not TMS but: " + cohort.spec.treatment.description.rstrip(".") + "."
        )
    if cohort.spec.arms and set(cohort.spec.arms.train_on) != {"active"}:
        arms = ", ".join(cohort.spec.arms.train_on)
        yield _warning(
            f"Not the active arm alone was learned from ({arms}), so the model speaks of "
            "improvement in general and not of response to the treatment."
        )
    if UNKNOWN_SITE in table.site and table.site_names:
        yield _warning("The site of some patients is not recorded; they were kept together.")
    if SINGLE_PATIENT_SITES in table.site:
        yield _warning(
            "Some sites have one patient, who cannot be judged within a site; such patients were "
            "put together, and their sites do not count as sites."
        )
    for issue in cohort.issues:
        yield Finding(severity=issue.severity, message=f"{issue.where}: {issue.message}")
    for reason, count in table.connectomes.refused.items():
        yield _warning(f"{count} scans were refused because {reason}.")


def _about_the_model(document: ModelDocument) -> Iterator[Finding]:
    if document.abstention.always:
        yield _warning(document.abstention.always)
    elif document.calibration.slope == 0:
        yield _warning(
            "No usable signal: out-of-fold margins do not rise with the outcome, so the model "
            "serves the base rate to everyone."
        )


def _about_the_comparison(evaluation: pd.DataFrame, models: Sequence[str]) -> Iterator[Finding]:
    brier = evaluation[(evaluation["metric"] == "brier") & evaluation["model"].isin(models)]
    pooled = brier[~brier["split"].str.contains("/", regex=False)].set_index("model")["estimate"]
    if len(pooled) == len(models):
        best = str(pooled.idxmin())
        others = ", ".join(f"{MODEL_LABELS[name]} {pooled[name]:.4f}" for name in models)
        yield _note(f"{MODEL_LABELS[best]} has the smallest held-out Brier score ({others}).")
        if best == BASE_RATE and len(models) > 1:
            yield _warning(
                "No model predicts held-out patients better than giving everyone the base rate."
            )
    pair = f"{LIGHTGBM_BOTH} - {LIGHTGBM_CLINICAL}"
    difference = evaluation[(evaluation["model"] == pair) & (evaluation["metric"] == "auroc")]
    for _, row in difference.iterrows():
        yield _note(_connectivity_sentence(row))


def _connectivity_sentence(row: "pd.Series[float]") -> str:
    patients = f"in the {int(row['n'])} patients with connectivity"
    if np.isnan(row["lower"]):
        return f"Too few patients have connectivity to say what it adds ({int(row['n'])})."
    interval = f"{row['estimate']:+.3f} ({row['lower']:+.3f} to {row['upper']:+.3f})"
    if row["lower"] > 0:
        verdict = "Connectivity adds to the clinical columns"
    elif row["upper"] < 0:
        verdict = "Connectivity harms"
    else:
        verdict = "It is not shown that connectivity adds anything"
    return f"{verdict}: AUROC changes by {interval} {patients}."
