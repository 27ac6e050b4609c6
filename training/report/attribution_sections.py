"""The report's sections on what the model attributes to its inputs, over all patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import expm1, log1p
from typing import Final

import pandas as pd

from features.table import LOG_MONTHS, YES_NO, Feature
from training.report.attribution_plots import plot_dependence, plot_ranks, plot_sizes
from training.report.attributions import N_LEADING, Attributions
from training.report.canvas import numbers
from training.report.tables import Cell, Estimate, Picture, Table, picture, table
from training.report.words import DOMAINS, confidence_percent, judged_model, value_words
from training.summary import RunSummary

N_SHOWN: Final = 10
_N_DEPENDENCE: Final = 6
_N_PAIRS: Final = 10
_MONTHS: Final = (0, 3, 6, 12, 24, 60, 120, 240)
_SIZE_AXIS: Final = "Mean |SHAP|, log-odds"


@dataclass(frozen=True)
class AttributionSections:
    """What the section on drivers shows beside the beeswarm."""

    sizes: Picture
    ranks: Picture | None
    domains: Picture
    dependence: tuple[Picture, ...]
    pairs: Table | None
    pairs_words: str
    interval_words: str


def attribution_sections(
    summary: RunSummary, found: Attributions, features: Sequence[Feature]
) -> AttributionSections:
    """Return every picture and table of the attributions.

    Parameters
    ----------
    features : sequence of Feature
        Of the model's columns.
    """
    known = {feature.name: feature for feature in features}
    model = judged_model(summary)
    top = found.importance[found.importance["mean_absolute_log_odds"] > 0].head(N_SHOWN)
    pairs, pairs_words = _pairs(found, known)
    return AttributionSections(
        sizes=_sizes_picture(top, known, model),
        ranks=_ranks_picture(found.importance, top, known, model),
        domains=_domains_picture(found.domains, model),
        dependence=tuple(
            _dependence_picture(known[str(name)], found.dependence, model)
            for name in top["feature"].head(_N_DEPENDENCE)
        ),
        pairs=pairs,
        pairs_words=pairs_words,
        interval_words=_interval_words(summary, found),
    )


def _interval_words(summary: RunSummary, found: Attributions) -> str:
    if found.importance["lower"].isna().all():
        return (
            "There are no intervals, because this run was made without replicates of the pipeline."
        )
    stability = summary.config.get("stability")
    replicates = stability.get("replicates") if isinstance(stability, dict) else None
    return (
        f"Intervals are the middle {confidence_percent(summary)} of what {replicates} replicates "
        "of the whole pipeline attribute, each learned from patients drawn again. A replicate that "
        "found no usable signal attributes nothing, so many intervals begin at 0; and a replicate "
        "may see more in an input than the model does, so the middle need not be the model's value."
    )


def _sizes_picture(top: pd.DataFrame, known: Mapping[str, Feature], model: str) -> Picture:
    labels = [known[name].label for name in top["feature"]]
    rows = [
        [
            Cell(f"{place}. {known[row['feature']].label}", DOMAINS[row["domain"]]),
            _estimate_cell(row["mean_absolute_log_odds"], row["lower"], row["upper"], 3),
            _estimate_cell(
                row["effect_log_odds"], row["effect_lower"], row["effect_upper"], 2, "+"
            ),
        ]
        for place, row in enumerate(top.to_dict("records"), start=1)
    ]
    first = top.iloc[0]
    size = numbers(first["mean_absolute_log_odds"], first["lower"], first["upper"], 3)
    return picture(
        plot_sizes(top, labels, model, _SIZE_AXIS),
        f"Mean size of contributions: {labels[0]} moves predictions most, by {size} log-odds on "
        f"average; the last shown is {labels[-1]}, by "
        f"{top.iloc[-1]['mean_absolute_log_odds']:.3f}.",
        "How far each input moves predictions, whichever way: the mean of the absolute SHAP "
        "values. Bars are the model, lines the interval.",
        table(
            "Size and effect of the inputs that matter most",
            [
                "Input", Cell("Mean |SHAP|", "log-odds, interval"),
                Cell("Effect", "log-odds, one SD higher, or yes instead of no"),
            ],
            rows,
        ),
    )  # fmt: skip


def _estimate_cell(
    estimate: float, lower: float, upper: float, digits: int, sign: str = ""
) -> Cell:
    found = Estimate(estimate, lower, upper, 0)
    return Cell(found.number(digits, sign), found.interval(digits, sign))


def _ranks_picture(
    importance: pd.DataFrame, top: pd.DataFrame, known: Mapping[str, Feature], model: str
) -> Picture | None:
    if importance["rank_lower"].isna().all():
        return None
    labels = [known[name].label for name in top["feature"]]
    rows = [
        [
            known[row["feature"]].label,
            _rank(row["rank"]),
            f"{_rank(row['rank_lower'])} to {_rank(row['rank_upper'])}",
            f"{100 * row['share_among_first']:.0f} %",
        ]
        for row in top.to_dict("records")
    ]
    first = top.iloc[0]
    return picture(
        plot_ranks(top, labels, model, len(importance)),
        f"{ranking_words(importance)} {labels[0]} ranks "
        f"{_rank(first['rank_lower'])} to {_rank(first['rank_upper'])}.",
        "Each input's rank in the model (mark) and in the replicates (line: the interval). "
        f"{ranking_words(importance)} Replicates without signal rank nothing: they are left out "
        "of the ranges, and count as “not among the first” in the last column.",
        table(
            "Whether the ranking would be the same in other patients",
            ["Input", "Rank", "Ranks in replicates", f"Among the first {N_LEADING}"],
            rows,
        ),
    )


def ranking_words(importance: pd.DataFrame) -> str:
    """Say how many of the leading inputs lead in a replicate too; empty without replicates."""
    shares = importance.head(N_LEADING)["share_among_first"]
    if shares.isna().any():
        return ""
    return (
        f"Of the model's first {len(shares)} inputs, {shares.sum():.1f} on average are among the "
        f"first {N_LEADING} when the model is made again from other patients."
    )


def _rank(value: float) -> str:
    return f"{value:.0f}"


def _domains_picture(domains: pd.DataFrame, model: str) -> Picture:
    labels = [
        f"{DOMAINS[row['domain']]} ({row['n_features']} "
        f"{'input' if row['n_features'] == 1 else 'inputs'})"
        for row in domains.to_dict("records")
    ]
    rows = [
        [label, _estimate_cell(row["mean_absolute_log_odds"], row["lower"], row["upper"], 3)]
        for label, row in zip(labels, domains.to_dict("records"), strict=True)
    ]
    first, last = domains.iloc[0], domains.iloc[-1]
    return picture(
        plot_sizes(domains, labels, model, "Mean |sum of SHAP|, log-odds"),
        f"Contributions by domain: {labels[0]} moves predictions most, by "
        f"{numbers(first['mean_absolute_log_odds'], first['lower'], first['upper'], 3)} log-odds "
        f"on average; least: {labels[-1]}, by {last['mean_absolute_log_odds']:.3f}.",
        "Contributions added up within each domain, patient by patient, before the mean of their "
        "size is taken: inputs that point opposite ways cancel.",
        table("By domain", ["Domain", Cell("Mean |sum of SHAP|", "log-odds, interval")], rows),
    )


def _dependence_picture(feature: Feature, dependence: pd.DataFrame, model: str) -> Picture:
    own = dependence[dependence["feature"] == feature.name]
    bands, unknown = own[own["mean_value"].notna()], own[own["mean_value"].isna()]
    rows = [
        [
            Cell(_value(row["mean_value"], feature)),
            Cell(f"{row['n']:.0f}"),
            _estimate_cell(row["log_odds"], row["lower"], row["upper"], 2, "+"),
        ]
        for row in own.to_dict("records")
    ]
    low, high = bands.iloc[0], bands.iloc[-1]
    aside = "" if unknown.empty else f" Unknown: {unknown.iloc[0]['log_odds']:+z.2f}."
    return picture(
        plot_dependence(bands, _axis_label(feature), _ticks(feature, bands), model),
        f"{feature.label}: mean contribution {low['log_odds']:+z.2f} log-odds at "
        f"{_value(low['mean_value'], feature)}, {high['log_odds']:+z.2f} at "
        f"{_value(high['mean_value'], feature)}.{aside}",
        f"{feature.label}.{aside}",
        table(
            f"Values of this picture: {feature.label}",
            [Cell("Mean value"), Cell("Patients"), Cell("Contribution", "log-odds, interval")],
            rows,
        ),
    )


def _value(value: float, feature: Feature) -> str:
    return value_words(value, feature.unit)


def _axis_label(feature: Feature) -> str:
    if feature.unit == YES_NO:
        return feature.label
    unit = "months" if feature.unit == LOG_MONTHS else feature.unit
    return f"{feature.label}, {unit}"


def _ticks(feature: Feature, bands: pd.DataFrame) -> dict[float, str]:
    if feature.unit == YES_NO:
        return {0.0: "no", 1.0: "yes"}
    if feature.unit == LOG_MONTHS:
        longest = expm1(bands["to"].max())
        return {log1p(months): str(months) for months in _MONTHS if months <= longest}
    return {}


def _pairs(found: Attributions, known: Mapping[str, Feature]) -> tuple[Table | None, str]:
    if found.interactions.empty:
        return None, (
            "The trees of this model have two leaves: each asks a single question, so no two "
            "inputs act together, and there are no interactions to show."
        )
    pairs = found.interactions.head(_N_PAIRS).to_dict("records")
    rows = [
        [
            f"{known[row['feature']].label} \N{MULTIPLICATION SIGN} {known[row['other']].label}",
            f"{row['mean_absolute_log_odds']:.3f}",
        ]
        for row in pairs
    ]
    largest = found.importance["mean_absolute_log_odds"].max()
    share = 100 * pairs[0]["mean_absolute_log_odds"] / largest
    words = (
        "What two inputs move a prediction by together, beyond what each does alone (SHAP "
        f"interaction values, mean size over at most 300 patients). The largest of "
        f"{len(found.interactions)} pairs has {share:.0f} % of the size of the first input's "
        "contribution. These have no intervals and are the least certain figures of this section."
    )
    return table("Pairs that act together", ["Inputs", "Mean size, log-odds"], rows), words
