"""The report's sections on explanations: what drives the model, and three example patients.

Values of real patients never enter the file: a beeswarm is an image coloured by rank, and an
example shows words that at least five patients of the cohort share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import expit

from features.table import YES_NO, Feature
from training.report.explain import (
    SMALLEST_SHARED_BAND,
    Explanations,
    beeswarm_points,
    example_rows,
    importances,
    value_bands,
    waterfall_steps,
)
from training.report.explanation_plots import plot_beeswarm, plot_waterfall
from training.report.tables import Cell, Picture, Table, picture, table
from training.report.words import DOMAINS, direction_words, value_words

N_TOP_FEATURES: Final = 10
_N_STEPS: Final = 7
_EXAMPLES: Final = {
    0.1: "A patient with a low predicted chance",
    0.5: "A patient in the middle",
    0.9: "A patient with a high predicted chance",
}


@dataclass(frozen=True)
class Example:
    """One patient, named by where the prediction lies among all."""

    title: str
    picture: Picture


def drivers(
    explanations: Explanations, features: Sequence[Feature]
) -> tuple[Picture, tuple[str, ...]]:
    """Return the beeswarm and table of the features that matter most, and the first three in words.

    Parameters
    ----------
    explanations : Explanations
    features : sequence of Feature, length p
        Of the columns, in order.
    """
    known = {feature.name: feature for feature in features}
    ranked = importances(explanations)
    top = ranked[ranked["mean_absolute_log_odds"] > 0].head(N_TOP_FEATURES)
    labels = {name: known[name].label for name in top["feature"]}
    ways = {
        str(row.feature): direction_words(
            float(str(row.direction)),
            yes_no=known[str(row.feature)].unit == YES_NO,
            held=known[str(row.feature)].monotone != 0,
        )
        for row in top.itertuples()
    }
    in_words = tuple(f"{labels[name]}: {ways[name]}" for name in top["feature"][:3])
    return picture(
        plot_beeswarm(beeswarm_points(explanations, list(labels)), labels),
        f"Contributions of the {len(top)} inputs that matter most. " + "; ".join(in_words) + ".",
        "One dot a patient. To the right of the line the input raised that patient's chance, to "
        "the left it lowered it. Colour: the patient's value, from lowest to highest; grey: "
        "unknown.",
        _drivers_table(top, known, ways),
    ), in_words


def _drivers_table(top: pd.DataFrame, known: dict[str, Feature], ways: dict[str, str]) -> Table:
    rows = []
    for place, row in enumerate(top.to_dict("records"), start=1):
        feature = known[str(row["feature"])]
        rows.append(
            [
                Cell(f"{place}. {feature.label}", DOMAINS[feature.domain]),
                Cell(ways[feature.name]),
                Cell(
                    f"{row['mean_percentage_points']:.1f} percentage points",
                    f"{100 * row['share']:.0f} %",
                ),
                Cell(f"{100 * row['missing_share']:.0f} %"),
            ]
        )
    header = [
        "Input", "In this model", Cell("Moves the chance by", "on average; share of all inputs"),
        "Unknown",
    ]  # fmt: skip
    return table("The inputs that matter most", header, rows)


def examples(
    explanations: Explanations, features: Sequence[Feature], *, simulated: bool
) -> tuple[Example, ...]:
    """Return three patients: low, middle and high predicted chance.

    Parameters
    ----------
    explanations : Explanations
    features : sequence of Feature, length p
        Of the columns, in order.
    simulated : bool
        Whether exact values may be shown. Otherwise words stand for them, and an input whose word
        fewer than five patients share is put together with the other inputs.
    """
    values = _shown_values(explanations, features, simulated=simulated)
    rows = example_rows(explanations, list(_EXAMPLES))
    steps = [
        waterfall_steps(
            explanations,
            row,
            n_shown=_N_STEPS,
            shown=np.array([column[row] is not None for column in values]),
        )
        for row in rows
    ]
    limits = _shared_limits(steps)
    known = {feature.name: number for number, feature in enumerate(features)}
    found = []
    for title, row, way in zip(_EXAMPLES.values(), rows, steps, strict=True):
        texts = [
            (features[known[name]].label, values[known[name]][row] or "")
            for name in way["feature"][:-1]
        ]
        found.append(Example(title, _waterfall(explanations, title, way, texts, limits)))
    return tuple(found)


def _shown_values(
    explanations: Explanations, features: Sequence[Feature], *, simulated: bool
) -> list[list[str | None]]:
    """Return what may be written for each feature and patient; None where nothing may."""
    columns: list[list[str | None]] = []
    for column, feature in zip(explanations.X.T, features, strict=True):
        if simulated:
            columns.append([value_words(float(value), feature.unit) for value in column])
        else:
            columns.append(value_bands(column, yes_no=feature.unit == YES_NO))
    return columns


def _shared_limits(steps: Sequence[pd.DataFrame]) -> tuple[float, float]:
    ends = pd.concat([way[["start", "end"]] for way in steps]).to_numpy()
    room = 0.12 * max(float(np.ptp(ends)), 0.1)
    return float(ends.min()) - room / 3, float(ends.max()) + room


def _waterfall(
    explanations: Explanations,
    title: str,
    way: pd.DataFrame,
    texts: Sequence[tuple[str, str]],
    limits: tuple[float, float],
) -> Picture:
    n_others = len(explanations.features) - len(texts)
    others = f"All other inputs ({n_others})"
    labels = [*(f"{label}: {value}" for label, value in texts), others]
    baseline, chance = expit(explanations.baseline), way["probability"].iloc[-1]
    rows = [["Average, before any input", "", "", f"{100 * baseline:.0f} %"]]
    for (label, value), step in zip([*texts, (others, "")], way.to_dict("records"), strict=True):
        after = f"{100 * step['probability']:.0f} %"
        rows.append([label, value, f"{step['log_odds']:+z.2f}", after])
    largest = "; ".join(labels[:-1][:2]) or "no single input"
    return picture(
        plot_waterfall(way, labels, limits),
        f"{title}: from {100 * baseline:.0f} % on average to {100 * chance:.0f} %. "
        f"Largest contributions: {largest}.",
        f"{title}: {100 * chance:.0f} %.",
        table(
            "Step by step",
            ["Input", "Value", "Change in log-odds", "Chance after it"],
            rows,
        ),
    )


def privacy_note(*, simulated: bool) -> str:
    """Say what the examples reveal."""
    if simulated:
        return "These patients are simulated, so their values are shown as they are."
    return (
        "So that nobody can be recognised, exact values are not shown: “very low” to “very high” "
        "are fifths of this cohort, and an input whose word fewer than "
        f"{SMALLEST_SHARED_BAND} patients share is counted among the other inputs."
    )
