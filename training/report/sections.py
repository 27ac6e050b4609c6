"""The report's sections on performance: each a picture or table made from `evaluation.csv`."""

from collections.abc import Mapping
from math import isnan
from typing import Final

import pandas as pd

from training.learning.models import BASE_RATE
from training.report.plots import plot_calibration, plot_decision_curve, plot_intervals, plot_roc
from training.report.tables import (
    ACCURACY,
    CALIBRATION,
    SLOPE,
    Cell,
    Estimate,
    Evaluation,
    Metric,
    Picture,
    Table,
    metric_cell,
    picture,
    table,
)
from training.report.words import best_models, confidence_percent, judged_model, lower_first
from training.summary import RunSummary, SiteCount

_ROC_RATES = (0.1, 0.2, 0.3, 0.5)
_CALIBRATION_STEP = 0.1
_DECISION_THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6)
FEW_EVENTS: Final = 10
_OF_SITES: Final = {"auroc": "AUROC", "o_to_e": "Observed to expected", SLOPE: "Slope"}
_SITE_METRICS: Final = {name: {**ACCURACY, **CALIBRATION}[name] for name in _OF_SITES}
# What is summarised over sites by random effects, on which scale.
_SCALES: Final = {"auroc": "logit", "o_to_e": "log"}


def model_labels(summary: RunSummary) -> dict[str, str]:
    """Return each compared model's name in plain language."""
    return {model.name: model.label for model in summary.models}


def metrics_table(
    summary: RunSummary, evaluation: Evaluation, metrics: Mapping[str, Metric], caption: str
) -> Table:
    """Return all models by some metrics, with the best of each column marked where one can be."""
    shown = {
        name: metric
        for name, metric in metrics.items()
        if any(evaluation.estimate(model.name, name) for model in summary.models)
    }
    best = {name: best_models(summary, evaluation, name, metric) for name, metric in shown.items()}
    rows = []
    for model in summary.models:
        cells = [Cell(model.label, mark="served" if model.name == summary.served_model else "")]
        for name, metric in shown.items():
            estimate = evaluation.estimate(model.name, name)
            cells.append(metric_cell(name, estimate, metric, best=model.name in best[name]))
        rows.append(cells)
    header = [Cell("Model"), *(Cell(m.label, anchor=m.term) for m in shown.values())]
    return table(f"{caption}, with {confidence_percent(summary)} intervals", header, rows)


def auroc_picture(summary: RunSummary, evaluation: Evaluation) -> Picture | None:
    """Draw every model's AUROC with its interval."""
    found = {
        model: estimate
        for model in model_labels(summary)
        if (estimate := evaluation.estimate(model, "auroc"))
    }
    if not found:
        return None
    labels = model_labels(summary)
    svg = plot_intervals(
        _interval_rows({labels[m]: (m, e) for m, e in found.items()}),
        "AUROC in held-out patients (0.5 chance, 1 perfect)",
        0.5,
    )
    alt = "AUROC by model. " + " ".join(f"{labels[m]}: {e.text()}." for m, e in found.items())
    return picture(svg, alt, "Each model's AUROC and its interval; the dotted line is chance.")


def _interval_rows(found: Mapping[str, tuple[str, Estimate]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "label": label, "model": model, "estimate": estimate.value,
                "lower": estimate.lower, "upper": estimate.upper,
            }
            for label, (model, estimate) in found.items()
        ]
    )  # fmt: skip


def roc_picture(summary: RunSummary, evaluation: Evaluation) -> Picture | None:
    """Draw the ROC curves, with sensitivities at a few rates of false alarms beside them."""
    labels = {name: label for name, label in model_labels(summary).items() if name != BASE_RATE}
    labels = {name: label for name, label in labels.items() if _ranks(evaluation, name)}
    curves = evaluation.curves(labels, "roc_sensitivity")
    main = judged_model(summary)
    if main not in set(curves["model"]):
        return None
    rows = [
        [labels[name], *(curve_cell(curves, name, rate, percent=True) for rate in _ROC_RATES)]
        for name in labels
        if name in set(curves["model"])
    ]
    header = ["Model", *(f"{100 * rate:.0f} %" for rate in _ROC_RATES)]
    found = curve_cell(curves, main, 0.2, percent=True).text
    auroc = evaluation.estimate(main, "auroc")
    plural = "" if len(rows) == 1 else "s"
    alt = (
        f"ROC curve{plural} of {len(rows)} model{plural}. {labels.get(main, main)}: AUROC "
        f"{auroc.text() if auroc else 'not estimated'}; at 20 % false alarms it finds {found} of "
        "those who reach the outcome."
    )
    return picture(
        plot_roc(curves, labels, main),
        alt,
        "How many of those who reach the outcome are found, at the price of how many false "
        "alarms. The band is the interval of the thick curve, upright lines are those of the "
        "others. A useless model follows the dotted line.",
        table("Share found (sensitivity), by share of false alarms", header, rows),
    )


def _ranks(evaluation: Evaluation, model: str) -> bool:
    """Whether a model gave held-out patients different chances."""
    auroc = evaluation.estimate(model, "auroc")
    return auroc is not None and not auroc.never_moves


def curve_cell(curves: pd.DataFrame, model: str, threshold: float, *, percent: bool) -> Cell:
    """Return a curve's point; the grid of evaluation.csv is looked up, not interpolated."""
    near = (curves["threshold"] - threshold).abs() < 1e-9
    found = curves[(curves["model"] == model) & near]
    if found.empty:
        return Cell("-")
    row = found.iloc[0]
    scale, digits, unit = (100, 0, " %") if percent else (1, 3, "")
    ends = [scale * float(row[name]) for name in ("lower", "upper")]
    interval = "" if any(map(isnan, ends)) else f"{ends[0]:z.{digits}f} to {ends[1]:z.{digits}f}"
    if not percent and ends == [0, 0]:
        interval = "nobody is above it"
    return Cell(f"{scale * float(row['estimate']):z.{digits}f}{unit}", interval)


def calibration_picture(summary: RunSummary, evaluation: Evaluation) -> Picture | None:
    """Draw observed against predicted, above the distribution of predictions by outcome."""
    main = judged_model(summary)
    curve = evaluation.curves([main], "calibration_curve")
    spread = evaluation.curves([main], "distribution_event", "distribution_nonevent")
    # Drawn without its interval, a curve would promise what few patients cannot tell.
    if curve.empty or spread.empty or curve["lower"].isna().all():
        return None
    slope = evaluation.estimate(main, "calibration_slope")
    ends = curve.iloc[[0, -1]]
    reached = " and ".join(
        f"{100 * row['estimate']:.0f} % where {100 * row['threshold']:.0f} % was predicted"
        for _, row in ends.iterrows()
    )
    return picture(
        plot_calibration(curve, spread, main),
        f"Calibration of {model_labels(summary)[main]}: the outcome came in {reached}; "
        f"calibration slope {_slope_words(slope)}.",
        f"{model_labels(summary)[main]}. Above: of patients given a chance, how many reached the "
        f"outcome; the dotted line is perfect agreement. The band is the interval. Below: how the "
        "chances were spread among those who reached the outcome (upwards) and those who did not "
        "(downwards).",
        table(
            "Observed where predicted", ["Predicted chance", "Observed"], curve_rows(curve, main)
        ),
    )


def _slope_words(slope: Estimate | None) -> str:
    if slope is None:
        return "not estimated"
    return f"{slope.text()}, unsteady" if slope.is_unsteady_slope else slope.text()


def curve_rows(curve: pd.DataFrame, model: str) -> list[list[object]]:
    """Return a few points of a calibration curve, at round chances where it has enough of them."""
    steps = (curve["threshold"] / _CALIBRATION_STEP).round() * _CALIBRATION_STEP
    on_step = curve[(curve["threshold"] - steps).abs() < 1e-9]
    shown = on_step if len(on_step) > 1 else curve.iloc[[0, len(curve) // 2, -1]]
    return [
        [f"{100 * at:.0f} %", curve_cell(curve, model, at, percent=True)]
        for at in shown["threshold"]
    ]


def within_sites_sentence(summary: RunSummary, evaluation: Evaluation) -> str:
    """Say which figures of the table are taken within sites, and what their intervals speak of."""
    n_sites = len(evaluation.sites(judged_model(summary), "auroc"))
    if n_sites == 0:
        return ""
    if n_sites == 1:
        return (
            "One site alone has five patients or more of either outcome: AUROC, AUPRC and "
            "calibration slope are those of that site. All other figures pool all patients."
        )
    return (
        f"AUROC is the mean over the {n_sites} sites with five patients or more of either outcome "
        "(random effects on the logit scale, Hartung and Knapp). Its interval is that of the "
        "average of such sites: it widens where sites differ, and is not where one further site "
        "is expected. AUPRC and calibration slope are taken within the same sites, and their "
        "intervals, as those of the other figures, which pool all patients, are for other patients "
        "of these sites."
    )


def slopes_sentence(summary: RunSummary, evaluation: Evaluation) -> str:
    """Give the calibration slope within sites and pooled, and say why they differ."""
    main = judged_model(summary)
    within = evaluation.average_site(main, "calibration_slope")
    pooled = evaluation.at(main, evaluation.split, "calibration_slope")
    if within is None or pooled is None:
        return ""
    return (
        f"Calibration slope of {model_labels(summary)[main]}: {within.text()} within sites, as in "
        "the table (one slope for all, each site with an intercept of its own), and "
        f"{pooled.text()} over all patients pooled. The pooled one is also moved by differences "
        "between sites: with a site of many outcomes held out, the others teach a lower base rate, "
        "so chances run against the outcome from site to site."
    )


def decision_picture(summary: RunSummary, evaluation: Evaluation) -> Picture | None:
    """Draw net benefit, where it was evaluated."""
    labels = {name: label for name, label in model_labels(summary).items() if name != BASE_RATE}
    curves = evaluation.curves(labels, "net_benefit")
    main = judged_model(summary)
    all_rows = evaluation.curves([main], "net_benefit_treat_all")
    if main not in set(curves["model"]) or all_rows.empty:
        return None
    rows = [
        [
            f"{100 * at:.0f} %",
            curve_cell(curves, main, at, percent=False),
            curve_cell(all_rows, main, at, percent=False),
        ]
        for at in _DECISION_THRESHOLDS
    ]
    own = curves[curves["model"] == main].merge(all_rows, on="threshold", suffixes=("", "_all"))
    gain = gain_words(own)
    return picture(
        plot_decision_curve(curves, all_rows, labels, main),
        f"Decision curve of {labels[main]}. {gain}",
        "What deciding by the model would gain over treating everybody or nobody, if one would "
        f"treat above a threshold. {gain} The band is the interval of the thick curve, "
        "upright lines are those of the others. It does not say that anybody should go untreated.",
        table("Net benefit", ["Threshold", labels[main], "Treat everybody"], rows),
    )


def gain_words(own: pd.DataFrame) -> str:
    """Say at how many thresholds a curve, and its whole interval, lie above the two plain rules.

    Parameters
    ----------
    own : DataFrame
        `threshold`, `estimate` and `lower` of net benefit, and `estimate_all` of treating
        everybody; treating nobody has a net benefit of 0.
    """
    better_line = own["estimate_all"].clip(lower=0)
    above = int((own["estimate"] > better_line).sum())
    clear = own[own["lower"] > better_line]["threshold"]
    found = (
        f"Net benefit lies above both treating everybody and nobody at {above} of {len(own)} "
        "thresholds, "
    )
    if clear.empty:
        return f"{found}nowhere with the whole of its interval: no gain is shown."
    return (
        f"{found}and at {len(clear)} with the whole of its interval, between "
        f"{100 * clear.min():.0f} and {100 * clear.max():.0f} %."
    )


def sites_table(summary: RunSummary, evaluation: Evaluation) -> Table:
    """Return patients and events of each site, and AUROC, O:E and slope where held out."""
    main = judged_model(summary)
    found = {name: evaluation.sites(main, name) for name in _OF_SITES}
    shown = [name for name, sites in found.items() if sites]
    heads = [
        Cell(f"{_OF_SITES[name]} when held out", anchor=_SITE_METRICS[name].term) for name in shown
    ]
    rows = [
        [
            *_site_cells(site),
            *(metric_cell(name, found[name].get(site.site), _SITE_METRICS[name]) for name in shown),
        ]
        for site in summary.sites
    ]
    summarised = {name: evaluation.average_site(main, name) for name in _SCALES}
    if any(summarised[name] for name in shown if name in summarised):
        average = [
            metric_cell(name, summarised[name], _SITE_METRICS[name])
            if name in summarised
            else Cell("")
            for name in shown
        ]
        rows.append([Cell("Average site (random effects)"), Cell(""), Cell(""), *average])
    caption = "Patients at each site; small counts, and what would tell them, are withheld"
    return table(caption, ["Site", "Patients", "Reached the outcome", *heads], rows)


def _site_cells(site: SiteCount) -> list[Cell]:
    name, patients = Cell(site.site), Cell(_count(site.n_patients))
    if site.n_events is None or not site.n_patients:
        return [name, patients, Cell(_count(site.n_events))]
    detail = f"{100 * site.n_events / site.n_patients:.0f} %"
    if min(site.n_events, site.n_patients - site.n_events) < FEW_EVENTS:
        detail += ", too few to judge"
    return [name, patients, Cell(_count(site.n_events), detail)]


def _count(count: int | None) -> str:
    return "withheld" if count is None else str(count)


def further_site_sentence(summary: RunSummary, evaluation: Evaluation) -> str:
    """Say which AUROC and O:E a further site may expect, where the sites allow it."""
    main = judged_model(summary)
    parts = []
    for name, scale in _SCALES.items():
        ahead = evaluation.average_site(main, f"{name}_prediction_interval")
        if ahead is None or not ahead.has_interval:
            continue
        tau = evaluation.average_site(main, f"{name}_tau")
        spread = f" (SD between sites {tau.number()}, {scale} scale)" if tau else ""
        words = _OF_SITES[name] if name == "auroc" else lower_first(_OF_SITES[name])
        parts.append(f"{words} between {ahead.lower:.2f} and {ahead.upper:.2f}{spread}")
    if not parts:
        return ""
    return (
        f"Expected at a further site ({confidence_percent(summary)} prediction intervals): "
        f"{', and '.join(parts)}. This is where the site's true figures are expected; what it sees "
        "in few patients will vary more."
    )


def sites_picture(summary: RunSummary, evaluation: Evaluation) -> Picture | None:
    """Draw the AUROC at each held-out site and over all of them."""
    main = judged_model(summary)
    found = {site: (main, estimate) for site, estimate in evaluation.sites(main, "auroc").items()}
    if not found:
        return None
    if together := evaluation.estimate(main, "auroc"):
        found["All sites together (random effects)"] = (main, together)
    lowest = min(found, key=lambda site: found[site][1].value)
    highest = max(found, key=lambda site: found[site][1].value)
    return picture(
        plot_intervals(_interval_rows(found), "AUROC at the held-out site", 0.5),
        f"AUROC at each held-out site: lowest at {lowest}, {found[lowest][1].text()}; highest at "
        f"{highest}, {found[highest][1].text()}.",
        f"{model_labels(summary)[main]} at each site, having learned from the others only.",
        sites_table(summary, evaluation),
    )
