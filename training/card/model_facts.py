"""What the card says of the model itself: its name, kind, output, limits and origin."""

from typing import Any

from data_schemas.filled_card import CardPart
from serving.model_document import ModelDocument
from training.card.evidence import CardEvidence
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.planning.shortfall import shortfall
from training.report.words import sentence
from training.summary import RunSummary


def model_facts(evidence: CardEvidence) -> dict[str, CardPart]:
    """Return facts by the name that the standards ask for them."""
    summary, document = evidence.summary, evidence.document
    words = {
        "model": ("Model", document.name),
        "version": ("Version", summary.model_version),
        "title": ("Title", title(summary)),
        "summary": ("In short", _summary(summary)),
        "keywords": ("Keywords", _keywords(summary)),
        "output": ("Output", _output(document)),
        "outcome": ("Outcome", sentence(summary.outcome.describe())),
        "outcome_alike": ("Assessment", _outcome_alike(summary)),
        "severity_shared": ("Shared with the inputs", _severity_shared(document)),
        "horizon": ("Horizon", sentence(summary.outcome.horizon)),
        "model_type": ("Kind of model", _model_type(document)),
        "tuning": ("Tuning", _tuning(summary)),
        "overfitting": ("Against overfitting", _overfitting(summary, document)),
        "validation": ("Validation", summary.split),
        "cluster_methods": ("Sites", _cluster_methods(summary, document)),
        "intervals": ("Intervals", _intervals(evidence)),
        "thresholds": ("Thresholds", _thresholds(summary)),
        "sample_size": ("Sample size", _sample_size(evidence)),
        "input_handling": ("Poor or missing input", _input_handling(document)),
        "fingerprints": ("Fingerprints", _fingerprints(summary)),
        "libraries": ("Libraries", _libraries(summary)),
    }
    return {
        name: CardPart(label=label, text=text, source="run")
        for name, (label, text) in words.items()
    }


def title(summary: RunSummary) -> str:
    """Return a title that says outcome, cohort, and what the cohort is not."""
    population = summary.population
    doubts = [] if population.is_tms else ["not TMS"]
    doubts += ["simulated patients"] if population.simulated else []
    aside = f" ({', '.join(doubts)})" if doubts else ""
    return (
        f"Predicting {summary.outcome.kind} on the {summary.outcome.instrument} before treatment: "
        f"a model of {population.cohort}{aside}"
    )


def _summary(summary: RunSummary) -> str:
    return (
        f"A model that predicts {summary.outcome.kind} before treatment: "
        f"{summary.outcome.describe()}. Trained on {summary.population.sentence()}."
    )


def _keywords(summary: RunSummary) -> str:
    population = summary.population
    words = ["prediction model", summary.outcome.kind, summary.outcome.instrument]
    words += ["transcranial magnetic stimulation"] if population.is_tms else ["not TMS"]
    words += ["simulated patients"] if population.simulated else []
    return ", ".join(words)


def _output(document: ModelDocument) -> str:
    if document.abstention.always is not None:
        return f"No prediction for a single patient: {sentence(document.abstention.always)}"
    if document.serves_base_rate:
        return "The base rate, the same for every patient: no usable signal was found."
    interval = document.interval
    return (
        f"A chance from 0 to 100 % of {document.outcome.kind}, with the {interval.method} "
        f"({100 * interval.level:.0f} %), the base rate, what each input contributed, and "
        "reservations."
    )


def _outcome_alike(summary: RunSummary) -> str:
    return (
        f"Counted for everybody by the same rule from totals of the {summary.outcome.instrument}; "
        "another scale is never converted into it."
    )


def _severity_shared(document: ModelDocument) -> str:
    if shares_severity(document):
        return (
            f"The total of the {document.outcome.instrument} before treatment is an input, and the "
            "outcome is counted from totals of the same scale."
        )
    return "No total that the outcome is counted from is an input."


def shares_severity(document: ModelDocument) -> bool:
    """Tell whether an input comes from the scale on which the outcome is counted."""
    return document.depression_instrument == document.outcome.instrument and any(
        each.domain == "severity" for each in document.features
    )


def _model_type(document: ModelDocument) -> str:
    if document.booster is None:
        return "The base rate, without trees: there was too little to learn from."
    signs = sum(each.monotone != 0 for each in document.features)
    return (
        f"Gradient boosted trees (LightGBM): {document.booster.n_bags} boosters of "
        f"{document.booster.trees_per_bag} trees averaged, then recalibrated (slope "
        f"{document.calibration.slope:.2f}); {signs} of {len(document.features)} inputs are held "
        "to a known direction."
    )


def _tuning(summary: RunSummary) -> str:
    served = next(each for each in summary.models if each.name == summary.served_model)
    if not served.settings:
        return "Nothing was tuned."
    return f"Chosen in the folds, most often: {served.settings}."


def _overfitting(summary: RunSummary, document: ModelDocument) -> str:
    if document.booster is None:
        return "No trees were fitted for use, so there is nothing to overfit."
    boosting = _settings(summary, "boosting")
    return (
        f"Trees of at most {max(boosting['num_leaves'])} leaves with at least "
        f"{min(boosting['min_patients_a_leaf'])} patients each, penalised (L2 "
        f"{boosting['l2_penalty']:g}), averaged over resampled cohorts, and recalibrated on "
        "margins of boosters that had not seen the patient."
    )


def _cluster_methods(summary: RunSummary, document: ModelDocument) -> str:
    by_site = summary.split_name == LEAVE_ONE_SITE_OUT
    held = (
        "Whole sites are held out; figures are averaged over sites by random effects, with a "
        "prediction interval for a further site."
        if by_site
        else "There are too few sites to hold whole ones out, so differences between them are not "
        "quantified."
    )
    if document.harmonisation is None:
        return f"{held} Connectivity is used as it was measured."
    return f"{held} What scanners add to connectivity is taken away (ComBat), anew in each fold."


def _intervals(evidence: CardEvidence) -> str:
    draws = _settings(evidence.summary, "validation")["bootstraps"]
    return (
        f"{evidence.level} intervals: {draws} bootstraps of patients, and random effects for "
        "averages over sites. They hold the fitted models as they are."
    )


def _thresholds(summary: RunSummary) -> str:
    chosen = _settings(summary, "validation")["thresholds"]
    if not chosen:
        return "No threshold is set: chances are not turned into classes."
    told = ", ".join(f"{100 * each:g} %" for each in chosen)
    return f"Chances are not turned into classes; the run reports what would be found at {told}."


def _sample_size(evidence: CardEvidence) -> str:
    frame = evidence.evaluation.frame
    return sentence(shortfall(evidence.document, frame, evidence.model).sentence())


def _input_handling(document: ModelDocument) -> str:
    rule = document.abstention
    if rule.always is not None:
        return "It answers for nobody, so no input can be too poor."
    unlike = (
        "Values out of range are refused. It declines to answer where an input lies far outside "
        "the training range, or all together are too unlike the training patients"
    )
    if document.serves_base_rate:
        return unlike + "."
    return (
        f"{unlike}, or where unknown inputs carry more than "
        f"{100 * rule.maximum_missing_importance:.0f} % of its predictions. Lesser gaps stand "
        "beside the answer."
    )


def _fingerprints(summary: RunSummary) -> str:
    provenance = summary.provenance
    return (
        f"Data {provenance.data_fingerprint}; configuration {provenance.config_hash}; seed "
        f"{provenance.seed}."
    )


def _libraries(summary: RunSummary) -> str:
    versions = summary.provenance.library_versions
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _settings(summary: RunSummary, section: str) -> Any:  # noqa: ANN401  # as in the configuration
    return summary.config[section]
