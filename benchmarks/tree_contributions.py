"""One patient's margin and exact contributions: our lookup tables beside LightGBM's and shap's."""

import time
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import shap

from benchmarks.reporting import machine, table, write_section
from benchmarks.simulated import simulated_rows
from serving.booster_text import merge_boosters, read_trees
from serving.tree_tables import TreeTables
from training.config import load_config
from training.learning.models import BoostedModel, fit_boosted
from training.learning.rows import FloatArray

N_PATIENTS, N_ROWS, ROUNDS = 800, 50, 15
LARGEST_DIFFERENCE = 1e-9
Explain = Callable[[FloatArray], FloatArray]


def microseconds(explain: Explain, X: FloatArray) -> float:
    """Return the time a row, one row a call."""
    started = time.perf_counter()
    for row in X:
        explain(row)
    return (time.perf_counter() - started) / len(X) * 1e6


def methods(text: str, n_features: int) -> dict[str, Explain]:
    tables = TreeTables(read_trees(text, n_features), n_features)
    booster = lightgbm.Booster(model_str=text)
    explainer: Any = shap.TreeExplainer(booster)

    def by_lightgbm(row: FloatArray) -> FloatArray:
        predicted = booster.predict(row.reshape(1, -1), pred_contrib=True, num_threads=1)
        return np.asarray(predicted)[0, :-1]

    return {
        "our lookup tables": lambda row: tables.outputs(row)[1],
        "LightGBM `pred_contrib`": by_lightgbm,
        "`shap.TreeExplainer`, built once": lambda row: np.asarray(
            explainer.shap_values(row.reshape(1, -1))
        ).reshape(-1, n_features)[-1],
    }


def main() -> None:
    rows = simulated_rows(N_PATIENTS)
    fitted = fit_boosted(rows, load_config())
    assert isinstance(fitted, BoostedModel)
    X = rows.X[:N_ROWS, fitted.columns]
    explain = methods(merge_boosters(fitted.bag.boosters), X.shape[1])
    ours, *others = ([each(row) for row in X] for each in explain.values())
    difference = max(float(np.abs(np.subtract(ours, theirs)).max()) for theirs in others)
    assert difference < LARGEST_DIFFERENCE, difference
    taken = np.array([[microseconds(each, X) for each in explain.values()] for _ in range(ROUNDS)])
    ratios = np.median(taken / taken[:, :1], axis=0)
    write_section(
        "tree_contributions",
        "One patient with contributions",
        f"The model that `train` fits on {N_PATIENTS} simulated patients "
        f"({len(fitted.bag.boosters)} boosters of {fitted.settings()}), one row a call, one "
        f"thread: medians of {ROUNDS} interleaved rounds. The largest difference between the "
        f"contributions is {difference:.0e} log-odds.",
        machine("lightgbm", "shap", "numpy"),
        table(
            ["", "microseconds a patient", "relative to ours"],
            [
                [name, f"{median:.0f}", f"{ratio:.1f}"]
                for name, median, ratio in zip(
                    explain, np.median(taken, axis=0), ratios, strict=True
                )
            ],
        ),
    )


if __name__ == "__main__":
    main()
