"""What MLflow shows of a run: settings and tags by name, and the headline figures."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from training.burden.summary import BurdenSummary
from training.checks.run import codes_found
from training.config import TrainingConfig
from training.summary import JUDGED_WITHIN_SITES, RunSummary

_INTERVALS: Final = {"estimate": "", "lower": "_lower", "upper": "_upper"}


def flat_parameters(config: TrainingConfig) -> dict[str, str]:
    """Return the settings under dotted names, such as `validation.folds`."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in _flattened("", config.model_dump(mode="json"))
    }


def _flattened(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if not isinstance(value, dict):
        yield prefix, value
        return
    for name, part in value.items():
        yield from _flattened(f"{prefix}.{name}" if prefix else name, part)


def headline_metrics(table: pd.DataFrame, split_name: str, outcome: str) -> dict[str, float]:
    """Return the figures of `evaluation.csv` that stand for a whole model.

    Parameters
    ----------
    table : DataFrame
        `evaluation.csv`.
    split_name : str
        The main split. Single sites and curves are left to the table.
    outcome : str
        Of the served model.

    Returns
    -------
    dict of str to float
        `MODEL/METRIC`, such as `lightgbm_both/auroc`, and the same with `_lower` and `_upper` for
        its interval. AUROC and calibration slope are those within sites where there are such;
        what is pooled and has a mean over sites too has the latter as `METRIC_average_site`. Those
        of another outcome begin with its name, such as `remission/lightgbm_both/auroc`.
    """
    metrics: dict[str, float] = {}
    for kind in table["outcome"].unique():
        prefix = "" if kind == outcome else f"{kind}/"
        found = _of_one_outcome(table[table["outcome"] == kind], split_name)
        metrics |= {prefix + name: value for name, value in found.items()}
    return metrics


def _of_one_outcome(table: pd.DataFrame, split_name: str) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for split in (split_name, f"{split_name}/within_site"):
        chosen = table[(table["split"] == split) & table["threshold"].isna()]
        for row in chosen.to_dict("records"):
            name = _valid(f"{row['model']}/{row['metric']}")
            if name in metrics and row["metric"] not in JUDGED_WITHIN_SITES:
                name += "_average_site"
            for column, suffix in _INTERVALS.items():
                if math.isfinite(row[column]):
                    metrics[name + suffix] = float(row[column])
    return metrics


def burden_metrics(burden: BurdenSummary | None) -> dict[str, float]:
    """Return what treat all takes, such as `burden/treat_all/sessions_per_responder`.

    With `_lower` and `_upper` for its interval. What depends on a threshold is left to
    `summary.json`: one of many would be picked by its result.
    """
    metrics: dict[str, float] = {}
    for name, figure in (burden.treat_all if burden else {}).items():
        for column, suffix in _INTERVALS.items():
            value = getattr(figure, column)
            if value is not None:
                metrics[f"burden/treat_all/{name}{suffix}"] = value
    return metrics


def _valid(name: str) -> str:
    """Return a name that MLflow takes, and that its search takes without quotation marks."""
    return re.sub(r"[^\w./-]", "_", name.replace(" - ", "_minus_"), flags=re.ASCII)


def summary_tags(summary: RunSummary) -> dict[str, str]:
    """Return what a run is searched by: its cohort, outcome and served model."""
    population = summary.population
    return {
        "cohort": population.cohort,
        "cohort_fingerprint": summary.provenance.data_fingerprint,
        "simulated": str(population.simulated).lower(),
        "is_tms": str(population.is_tms).lower(),
        "outcome": summary.outcome.describe(),
        "split": summary.split_name,
        "served_model": summary.served_model,
        "model_version": summary.model_version,
        "checks": codes_found(summary.findings),
        "config_hash": summary.provenance.config_hash,
        "mlflow.note.content": f"Research use only. {population.sentence()}.",
    }
