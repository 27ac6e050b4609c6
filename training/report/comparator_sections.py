"""The report's section that holds the served model against the others, and against no scan."""

from typing import Final

import pandas as pd

from training.learning.models import LIGHTGBM_BOTH, LIGHTGBM_CLINICAL, MODEL_LABELS
from training.report.plots import plot_intervals
from training.report.tables import (
    Cell,
    Estimate,
    Evaluation,
    Picture,
    Table,
    estimate_cell,
    picture,
    table,
)
from training.report.words import confidence_percent, judged_model
from training.summary import RunSummary

_METRICS: Final = {"auroc": ("AUROC", 3), "brier": ("Brier score", 4), "log_loss": ("Log loss", 4)}


def differences_picture(summary: RunSummary, evaluation: Evaluation) -> Picture | None:
    """Draw by how much the AUROC of the judged model differs from that of each other one."""
    main = judged_model(summary)
    found = _differences(summary, evaluation, "auroc")
    if not found:
        return None
    rows = pd.DataFrame(
        [
            {"label": f"against {MODEL_LABELS[name]}", "model": name, "estimate": each.value,
             "lower": each.lower, "upper": each.upper}
            for name, each in found.items()
        ]
    )  # fmt: skip
    words = " ".join(
        f"Against {MODEL_LABELS[name]}: {e.text(3, '+')}." for name, e in found.items()
    )
    n_shown = sum(each.lower > 0 or each.upper < 0 for each in found.values())
    return picture(
        plot_intervals(rows, f"AUROC of {MODEL_LABELS[main]}, minus the other's", 0.0),
        f"Differences in AUROC of {MODEL_LABELS[main]}: {n_shown or 'none'} of {len(found)} "
        f"{'is' if n_shown < 2 else 'are'} shown. {words}",
        f"{MODEL_LABELS[main]} minus each other model, on the same held-out patients; right of the "
        "dotted line it ranks patients better.",
        _table(summary, evaluation),
    )


def _differences(summary: RunSummary, evaluation: Evaluation, metric: str) -> dict[str, Estimate]:
    main = judged_model(summary)
    pairs = {
        model.name: evaluation.estimate(f"{main} - {model.name}", metric)
        for model in summary.models
        if model.name != main
    }
    return {name: found for name, found in pairs.items() if found is not None}


def _table(summary: RunSummary, evaluation: Evaluation) -> Table:
    found = {metric: _differences(summary, evaluation, metric) for metric in _METRICS}
    rows = [
        [
            Cell(f"against {MODEL_LABELS[name]}"),
            Cell(str(each.n)),
            *(
                estimate_cell(found[metric].get(name), digits, sign="+")
                for metric, (_, digits) in _METRICS.items()
            ),
        ]
        for name, each in found["auroc"].items()
    ]
    header = ["", "Patients", *(label for label, _ in _METRICS.values())]
    return table(
        f"Paired differences, with {confidence_percent(summary)} intervals: better are a higher "
        "AUROC, a lower score and a lower loss",
        header,
        rows,
    )


def tests_connectivity(summary: RunSummary) -> bool:
    """Whether a model with connectivity was compared with one without."""
    return {LIGHTGBM_BOTH, LIGHTGBM_CLINICAL} <= {model.name for model in summary.models}
