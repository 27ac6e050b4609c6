"""`report.html`: one offline file about a finished run, for those who must judge it.

It is made from the files of the run's folder alone, so it can be rebuilt at any time, and the same
files give the same bytes.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from serving.pages import COLOURS
from serving.predictor import ResponsePredictor
from training.card.evidence import read_card_text
from training.report import (
    comparator_sections,
    explanation_sections,
    population_sections,
    scan_sections,
    sections,
    stability_sections,
    table_one,
)
from training.report.attribution_sections import attribution_sections, ranking_words
from training.report.attributions import Attributions
from training.report.burden_sections import burden_section
from training.report.course_sections import course_section
from training.report.explain import Explanations, load_explanations
from training.report.first_screen import connectivity_answer, first_screen, scans_words
from training.report.literature_section import literature_table
from training.report.tables import ACCURACY, CALIBRATION, Cell, Evaluation, Table, table
from training.report.words import (
    confidence_percent,
    judged_model,
    lower_first,
    sentence,
    sites_known,
)
from training.summary import (
    CARD_TEXT_FILE,
    EXPLANATIONS_FILE,
    MODEL_FOLDER,
    REPORT_FILE,
    RUN_FILE,
    RunSummary,
)

_TEMPLATES: Final = Path(__file__).parent / "templates"
_TEMPLATE: Final = "report.html.j2"
_RUN_FACTS: Final = {"started": "Started", "finished": "Finished", "git_commit": "Source, commit"}


def build_report(run_dir: Path) -> Path:
    """Write the report of a finished run into its folder.

    Parameters
    ----------
    run_dir : Path
        The folder with `summary.json`, `evaluation.csv`, `explanations.npz` and `model/`.

    Returns
    -------
    Path
        `report.html` in that folder.

    Raises
    ------
    DataError, ModelError
        When the folder is not that of a finished run.
    ConfigurationError
        When its `card.toml` is wrong.
    """
    summary = RunSummary.load(run_dir)
    predictor = ResponsePredictor.load(run_dir / MODEL_FOLDER)
    evaluation = Evaluation.read(run_dir, summary.split_name, summary.outcome.kind)
    explanations = load_explanations(run_dir / EXPLANATIONS_FILE)
    environment = Environment(
        loader=PackageLoader("training.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    drivers = _explanations(summary, predictor, explanations)
    attributed = _attributions(summary, predictor, run_dir)
    html = environment.get_template(_TEMPLATE).render(
        summary=summary,
        document=predictor.document,
        colours=COLOURS,
        script=script,
        script_hash=_hash(script),
        answers=first_screen(
            summary,
            predictor.document,
            evaluation,
            drivers["strongest"],
            ranking=attributed["ranking"],
            out_of_scope=read_card_text(run_dir / CARD_TEXT_FILE).use.out_of_scope or "",
        ),
        connectivity=connectivity_answer(summary, evaluation),
        level=confidence_percent(summary),
        flow=table_one.flow_rows(summary),
        scans=scans_words(summary),
        by_outcome=table_one.by_outcome(summary),
        by_site=table_one.by_site(summary),
        refused_scans=scan_sections.refused_scans(summary),
        motion=scan_sections.motion_picture(summary),
        target_profile=scan_sections.target_profile(summary),
        improvement_in_general=bool(set(summary.arms_trained_on) - {"active"}),
        uses_benzodiazepine="benzodiazepine" in predictor.feature_names,
        uses_connectivity=any(f.group == "connectivity" for f in predictor.features),
        models=_models_table(summary),
        course=course_section(run_dir),
        burden=burden_section(summary),
        silent_checks=_silent_checks(summary),
        provenance=_provenance_table(summary, predictor, run_dir),
        settings=_settings_table(summary),
        **_performance(summary, evaluation),
        **_robustness(summary, evaluation, run_dir),
        **drivers,
        **attributed,
    )
    path = run_dir / REPORT_FILE
    # A number and its percent sign stay on one line.
    html = html.replace(" %", "\N{NO-BREAK SPACE}%")
    path.write_text(html, encoding="utf-8", newline="\n")
    return path


rebuild_report = build_report


def _hash(script: str) -> str:
    """Return what the page's policy calls the one script that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _silent_checks(summary: RunSummary) -> Table | None:
    """Return the checks that found nothing."""
    found = {finding.code for finding in summary.findings}
    rows = [[code, title] for code, title in summary.checks_made.items() if code not in found]
    return table("Checks that found nothing", ["Code", "Looks for"], rows) if rows else None


def _performance(summary: RunSummary, evaluation: Evaluation) -> dict[str, Any]:
    return {
        "comparators": sections.metrics_table(
            summary, evaluation, ACCURACY, "All models on the same held-out patients"
        ),
        "calibrations": sections.metrics_table(
            summary, evaluation, CALIBRATION, "Calibration of all models on held-out patients"
        ),
        "within_sites": sections.within_sites_sentence(summary, evaluation),
        "slopes": sections.slopes_sentence(summary, evaluation),
        "scanned": population_sections.scanned_table(summary, evaluation),
        "further_site": sections.further_site_sentence(summary, evaluation),
        "auroc": sections.auroc_picture(summary, evaluation),
        "differences": comparator_sections.differences_picture(summary, evaluation),
        "roc": sections.roc_picture(summary, evaluation),
        "calibration": sections.calibration_picture(summary, evaluation),
        "decision": sections.decision_picture(summary, evaluation),
        "sites": sections.sites_table(summary, evaluation),
        "sites_known": sites_known(summary),
        "sites_picture": sections.sites_picture(summary, evaluation),
    }


def _robustness(summary: RunSummary, evaluation: Evaluation, run_dir: Path) -> dict[str, Any]:
    return {
        "missing_outcomes": population_sections.missing_outcomes_table(
            summary, evaluation, evaluation.split
        ),
        "other_arms": population_sections.other_arms_table(summary, evaluation),
        "other_arms_words": population_sections.other_arms_sentences(summary, evaluation),
        "judged": judged_model(summary),
        "subgroups": population_sections.subgroup_tables(summary, evaluation),
        "latest": population_sections.elsewhere_tables(summary, evaluation, "temporal"),
        "elsewhere": population_sections.elsewhere_tables(summary, evaluation, "external"),
        "abstained_elsewhere": population_sections.abstained_sentence(summary, evaluation),
        "missing_elsewhere": population_sections.missing_outcomes_table(
            summary, evaluation, "external"
        ),
        "external_words": sentence(summary.external.description) if summary.external else "",
        "permutation": population_sections.permutation_sentence(summary, evaluation),
        "calibration_band": stability_sections.calibration_band_picture(summary, evaluation),
        "instability": stability_sections.instability_picture(summary, evaluation, run_dir),
        "secondary": population_sections.secondary_tables(summary, evaluation),
    }


def _explanations(
    summary: RunSummary, predictor: ResponsePredictor, explanations: Explanations
) -> dict[str, Any]:
    simulated = summary.population.simulated
    content: dict[str, Any] = {
        "no_drivers": _why_no_explanations(summary, predictor, explanations),
        "drivers": None, "strongest": (), "examples": (),
        "shap_difference": explanations.shap_difference,
        "privacy": explanation_sections.privacy_note(simulated=simulated),
    }  # fmt: skip
    if content["no_drivers"] is None:
        features = predictor.features
        content["drivers"], content["strongest"] = explanation_sections.drivers(
            explanations, features
        )
        content["examples"] = explanation_sections.examples(
            explanations, features, simulated=simulated
        )
    return content


def _attributions(
    summary: RunSummary, predictor: ResponsePredictor, run_dir: Path
) -> dict[str, Any]:
    """Return what stands in the run's tables of attributions; nothing where it has none."""
    found = Attributions.read(run_dir)
    if found is None:
        return {"attributions": None, "literature": None, "ranking": ""}
    features = predictor.features
    return {
        "attributions": attribution_sections(summary, found, features),
        "literature": literature_table(summary, found, features),
        "ranking": ranking_words(found.importance),
    }


def _why_no_explanations(
    summary: RunSummary, predictor: ResponsePredictor, explanations: Explanations
) -> str | None:
    if summary.always_abstains is not None:
        return f"There is nothing to explain: {lower_first(summary.always_abstains)}"
    if predictor.document.booster is None or not explanations.any_signal:
        return (
            "There is nothing to explain: no usable signal was found, so no input moves any "
            "prediction, and everyone gets the base rate."
        )
    return None


def _models_table(summary: RunSummary) -> Table:
    rows = [
        [
            Cell(model.label, mark="served" if model.name == summary.served_model else ""),
            str(model.n_features),
            model.settings or "nothing to tune",
        ]
        for model in summary.models
    ]
    return table("What each model may use, and what was tuned", ["Model", "Inputs", "Tuned"], rows)


def _provenance_table(summary: RunSummary, predictor: ResponsePredictor, run_dir: Path) -> Table:
    provenance, population = summary.provenance, summary.population
    document = predictor.document
    facts = {
        "Model": f"{document.name}, version {summary.model_version}",
        "Cohort": population.cohort,
        "Licence of the data": population.licence,
        "Citation of the data": population.citation,
        "Fingerprint of the data (SHA-256)": provenance.data_fingerprint,
        "Fingerprint of the configuration": provenance.config_hash,
        "Fingerprint of the trees": document.booster.sha256 if document.booster else "no trees",
        "Random seed": str(provenance.seed),
        "Versions": ", ".join(f"{k} {v}" for k, v in provenance.library_versions.items()),
        **_run_facts(run_dir),
    }
    rows = [[name, value] for name, value in facts.items() if value]
    return table("What produced this model", ["Fact", "Value"], rows)


def _run_facts(run_dir: Path) -> dict[str, str]:
    """Return when and from which source the run was made, where `run.json` says so; no paths."""
    try:
        content = json.loads((run_dir / RUN_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return {label: str(content[name]) for name, label in _RUN_FACTS.items() if content.get(name)}


def _settings_table(summary: RunSummary) -> Table:
    rows = [[name, value] for name, value in _flat(summary.config)]
    return table("Every setting of the run", ["Setting", "Value"], rows)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in settings.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            values = value if isinstance(value, list | tuple) else [value]
            shown = ", ".join("not set" if each is None else str(each) for each in values)
            found.append((prefix + name, shown))
    return found
