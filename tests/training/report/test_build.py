"""The report is judged as its reader meets it: as one HTML file."""

import base64
import json
import re
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from finished_runs import FinishedRun
from report_pages import Page

from data_schemas.errors import DataError
from training.learning.models import LIGHTGBM_BOTH, LIGHTGBM_CLINICAL, MODEL_LABELS
from training.report.build import build_report, rebuild_report


def page(run: FinishedRun) -> Page:
    return Page(run.folder / "report.html")


def test_the_page_is_sound_html(run: FinishedRun) -> None:
    seen = page(run)
    assert seen.problems == []
    assert len(seen.ids) == len(set(seen.ids))
    assert seen.tags["table"] == seen.tags["caption"] > 3
    assert (seen.tags["h1"], seen.tags["nav"], seen.tags["main"]) == (1, 1, 1)
    assert seen.headings[0] == 1
    steps = np.diff(seen.headings)
    assert steps.max() == 1, "no level of heading is left out"


def test_the_page_needs_nothing_else(run: FinishedRun) -> None:
    seen = page(run)
    assert seen.tags["script"] == 1
    assert seen.tags["link"] == 0
    for link in seen.links:
        assert link.startswith("data:image/svg+xml;base64,") or link[1:] in seen.ids
    text = (run.folder / "report.html").read_text(encoding="utf-8")
    script = re.findall("<script>(.*?)</script>", text, re.DOTALL)[0]
    assert len(script) < 6_000
    assert "innerHTML" not in script
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text, "the page's policy allows this script alone"
    assert "url(" not in text
    assert "@import" not in text
    assert len(text.encode()) < 5_000_000


def test_every_picture_says_what_it_shows(run: FinishedRun) -> None:
    seen = page(run)
    assert seen.tags["figure"] == seen.tags["img"] >= 3
    for _, alt in seen.pictures:
        assert len(alt) > 40
        assert re.search(r"\d", alt), "the finding, not only the kind of picture"
    assert len({alt for _, alt in seen.pictures}) == len(seen.pictures)


def test_the_same_run_gives_the_same_bytes(simulated: FinishedRun, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(simulated.folder, copy)
    (copy / "report.html").unlink()
    assert rebuild_report(copy) == copy / "report.html"
    assert (copy / "report.html").read_bytes() == (simulated.folder / "report.html").read_bytes()


def everything_written(run: FinishedRun) -> str:
    """Return the text of the page with that of its pictures, which stands in their comments."""
    seen = page(run)
    pictures = [base64.b64decode(source.split(",", 1)[1]).decode() for source, _ in seen.pictures]
    comments = [comment for svg in pictures for comment in re.findall("<!-- (.*?) -->", svg)]
    return "\n".join([seen.text, *(alt for _, alt in seen.pictures), *comments, *seen.values])


def ages(run: FinishedRun) -> list[float]:
    names = [feature.name for feature in run.table.features]
    found: list[float] = run.table.X[:, names.index("age_years")].tolist()
    return found


def test_no_value_of_a_real_patient_is_in_the_file(real: FinishedRun) -> None:
    written = everything_written(real)
    for age in ages(real):
        for form in (f"{age:.4f}", f"{age:.3g} years", f"{age:.1f} years"):
            assert form not in written
    assert "exact values are not shown" in written
    assert re.search(r"Antidepressant trials failed in this episode: (very )?(low|high)", written)


def test_values_of_simulated_patients_are_shown(simulated: FinishedRun) -> None:
    written = everything_written(simulated)
    assert any(f"Age: {age:.3g} years" in written for age in ages(simulated))
    assert "These patients are simulated, so their values are shown" in written


def test_what_the_reader_must_know_comes_first(
    simulated: FinishedRun, real: FinishedRun, too_few: FinishedRun, no_signal: FinishedRun
) -> None:
    def first_screen(run: FinishedRun) -> str:
        return page(run).text.split("Patients From the tables")[0]

    for each in (simulated, real, too_few, no_signal):
        assert "Research software, not a medical device." in first_screen(each)
    assert "trained on simulated patients" in first_screen(simulated)
    assert "trained on simulated patients" not in first_screen(real)
    assert "The treatment was not TMS: A computer programme." in first_screen(real)
    assert "speaks of improvement in general" in first_screen(real)
    assert "speaks of improvement in general" not in first_screen(too_few)
    assert too_few.summary.always_abstains is not None
    assert f"Can I use it? No. {too_few.summary.always_abstains}" in first_screen(too_few)
    assert "Did brain connectivity help? Not tested" in first_screen(too_few)
    assert no_signal.predictor.document.calibration.slope == 0
    assert "No usable signal was found" in first_screen(no_signal)


def estimate(
    run: FinishedRun, model: str, metric: str, split: str | None = None
) -> tuple[float, float, float]:
    rows = run.evaluation
    rows = rows[(rows["model"] == model) & (rows["metric"] == metric) & rows["threshold"].isna()]
    split = run.summary.split_name if split is None else split
    row = rows[rows["split"].isin([f"{split}/within_site", split])].iloc[-1]
    return row["estimate"], row["lower"], row["upper"]


def test_the_headline_is_that_of_the_evaluation(simulated: FinishedRun) -> None:
    auroc, lower, upper = estimate(simulated, LIGHTGBM_BOTH, "auroc")
    shown = f"AUROC {auroc:.2f} ({lower:.2f} to {upper:.2f}), 95\N{NO-BREAK SPACE}% interval."
    text = (simulated.folder / "report.html").read_text(encoding="utf-8")
    assert shown in text
    pair = f"{LIGHTGBM_BOTH} - {LIGHTGBM_CLINICAL}"
    gain, lower, upper = estimate(simulated, pair, "auroc")
    assert f"AUROC changes by {gain:+z.3f} ({lower:+z.3f} to {upper:+z.3f})" in text


@pytest.mark.parametrize(("metric", "column"), [("auroc", 1), ("brier", 3), ("log_loss", 5)])
def test_the_comparators_are_those_of_the_evaluation(
    metric: str, column: int, simulated: FinishedRun
) -> None:
    digits = 2 if metric == "auroc" else 3
    seen = page(simulated)
    cells = {}
    for model, label in MODEL_LABELS.items():
        cells[model] = seen.row(label)[column]
        value, lower, upper = estimate(simulated, model, metric)
        assert cells[model].startswith(f"{value:.{digits}f}")
        interval = f"{lower:.{digits}f} to {upper:.{digits}f}"
        ranks_nobody = metric == "auroc" and lower == upper
        assert cells[model].endswith("the same chance for all" if ranks_nobody else interval)
    sign = -1 if metric == "auroc" else 1
    ranked = sorted(cells, key=lambda name: sign * estimate(simulated, name, metric)[0])
    assert "best" in cells[ranked[0]]
    assert "best" not in cells[ranked[-1]]
    assert "served" in seen.row(MODEL_LABELS[LIGHTGBM_BOTH])[0]


def shown(cell: str, found: tuple[float, float, float], digits: int) -> bool:
    value, lower, upper = found
    return cell == f"{value:z.{digits}f} {lower:z.{digits}f} to {upper:z.{digits}f}"


def test_what_could_change_the_result_is_that_of_the_evaluation(simulated: FinishedRun) -> None:
    seen, split = page(simulated), simulated.summary.split_name
    for label, place, nth in (
        ("Weighted for who had an outcome", f"{split}/outcomes=weighted", 1),
        ("As if none of the others", f"{split}/outcomes=none_reached", 1),
        ("As if those had reached it who make AUROC lowest", f"{split}/outcomes=auroc_lowest", 1),
        ("sham", f"{split}/arm=sham", 0),
        ("active minus sham", f"{split}/arm=active-sham", 0),
        ("under 40", f"{split}/subgroup=age:under 40", 0),
    ):
        row = seen.row(label, nth)
        auroc = row[2 + (label == "under 40")]
        assert shown(auroc, estimate(simulated, LIGHTGBM_BOTH, "auroc", place), 2), label
    served = MODEL_LABELS[LIGHTGBM_BOTH]
    for place in ("temporal", "external"):
        found = estimate(simulated, LIGHTGBM_BOTH, "brier", place)
        assert any(shown(row[3], found, 3) for row in seen.rows_of(served) if len(row) > 3), place
    assert "Further clinics: 60 patients" in seen.text
    assert "one other study (Further clinics)" in seen.text
    assert "It has not been tested" not in seen.text
    abstained, *_ = estimate(simulated, LIGHTGBM_BOTH, "abstained", "external")
    told = f"For {abstained:.0f} of the 60" if abstained else "answers for each of the 60"
    assert told in seen.text
    for case, label in (
        ("none_reached", "As if none of the others"),
        ("auroc_highest", "As if those had reached it who make AUROC highest"),
    ):
        found = estimate(simulated, LIGHTGBM_BOTH, "auroc", f"external/outcomes={case}")
        row = seen.row(label, 0)  # "elsewhere" comes before "unknown outcomes"
        assert row[1] == "72"
        assert shown(row[2], found, 2), case
    mape = estimate(simulated, LIGHTGBM_BOTH, "mape", "stability")
    assert shown(seen.row("Distance of a patient")[1], mape, 3)


def test_sections_of_what_is_not_there_are_left_out(real: FinishedRun) -> None:
    assert not {"elsewhere", "missing-outcomes", "secondary"} & set(page(real).ids)


def test_sham_and_connectivity_are_in_plain_sight(
    run: FinishedRun, simulated: FinishedRun, real: FinishedRun, too_few: FinishedRun
) -> None:
    assert {"#sham", "#comparators", "#connectivity", "#drivers"} <= set(page(run).links)
    assert "Not tested here" not in page(simulated).text
    assert "The model learned from patients of these arms: active, sham." in page(real).text
    assert "was not judged on any patients of a sham" in page(too_few).text


def test_the_strongest_input_its_direction_and_the_literature(simulated: FinishedRun) -> None:
    first = page(simulated).row("1. ")
    trials = "Antidepressant trials failed in this episode"
    assert first[0].startswith(f"1. {trials}")
    assert first[1] == "a higher value lowers the chance (set in advance)"
    assert "It could not have found the opposite" in page(simulated).text
    (row,) = (r for r in page(simulated).rows_of(trials) if "Trevizol 2020" in r[1])
    assert row[1].startswith("a higher value lowers the chance Trevizol 2020, 388 patients")
    assert row[2].endswith("set in advance"), "the model cannot contradict it"
    assert row[3].endswith("agrees"), "the patients could"


def test_three_patients_low_middle_high(simulated: FinishedRun, real: FinishedRun) -> None:
    for each in (simulated, real):
        text = page(each).text
        chances = [
            int(text.split(f"{title}: ")[1].split(" ")[0])
            for title in (
                "A patient with a low predicted chance", "A patient in the middle",
                "A patient with a high predicted chance",
            )
        ]  # fmt: skip
        assert chances == sorted(chances)
        assert chances[0] < chances[2]


def test_sections_without_content_say_why(too_few: FinishedRun, no_signal: FinishedRun) -> None:
    assert "no usable signal was found, so no input moves any" in page(no_signal).text
    assert "There is nothing to explain: only 6 patients" in page(too_few).text
    for each in (too_few, no_signal):
        assert "There are no examples, for the same reason" in page(each).text


def test_every_term_is_defined_once(run: FinishedRun) -> None:
    seen = page(run)
    terms = [name for name in seen.ids if name.startswith("term-")]
    assert {"term-auroc", "term-brier", "term-calibration-slope", "term-shap"} <= set(terms)
    assert seen.tags["dt"] == seen.tags["dd"] == len(terms) + 6, "and six questions"


def test_limits_are_said(run: FinishedRun) -> None:
    text = page(run).text
    assert "It does not say that treatment should be withheld." in text
    assert "A contribution is an association, not a cause." in text
    assert "A bar for a benzodiazepine is not advice to stop it" in text


def test_small_sites_and_groups_are_withheld(simulated: FinishedRun, tmp_path: Path) -> None:
    shutil.copytree(simulated.folder, tmp_path / "run")
    path = tmp_path / "run" / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["sites"][0] |= {"n_patients": None, "n_events": None}
    summary["characteristics"][0] |= {"mean_with_outcome": None, "sd_with_outcome": None}
    path.write_text(json.dumps(summary), encoding="utf-8")
    build_report(tmp_path / "run")
    seen = Page(tmp_path / "run" / "report.html")
    assert seen.row("site-0")[1:3] == ["withheld", "withheld"]
    assert seen.row("Age")[1] == "withheld"
    assert seen.row("Age")[2] != "withheld"


def test_text_of_the_cohort_is_not_markup(simulated: FinishedRun) -> None:
    assert "Clinics <b>& co</b>" in page(simulated).text
    assert "The <patients> are simulated." in page(simulated).text
    assert page(simulated).tags["b"] == 0


def test_the_flow_and_the_scans_are_counted(simulated: FinishedRun) -> None:
    text = page(simulated).text
    assert "249 listed in t.csv" in text
    assert "240 HDRS-17 known before and after (9 fewer)" in text
    assert "96 brain scans were accepted, and fewer than five refused." in text
    assert page(simulated).row("the head moved") == ["the head moved", "withheld"]


def test_motion_is_shown_by_outcome(simulated: FinishedRun, real: FinishedRun) -> None:
    shown = page(simulated)
    assert "Motion in the scanner, by outcome" in shown.text
    assert "0.125 (0.062)" in shown.text
    assert "0.175 (0.083)" in shown.text
    assert "Motion in the scanner" not in page(real).text


def test_the_profile_of_the_target_is_shown(simulated: FinishedRun, real: FinishedRun) -> None:
    assert page(simulated).row("default mode") == ["default mode", "0.30"]
    assert "Connectivity of the left DLPFC with each network" not in page(real).text


def test_provenance_tells_the_run_but_no_path(simulated: FinishedRun, tmp_path: Path) -> None:
    shutil.copytree(simulated.folder, tmp_path / "run")
    content = {"started": "2026-01-02T03:04:05+00:00", "git_commit": "c0ffee", "folder": "/secret"}
    (tmp_path / "run" / "run.json").write_text(json.dumps(content), encoding="utf-8")
    build_report(tmp_path / "run")
    seen = Page(tmp_path / "run" / "report.html")
    assert seen.row("Started")[1] == "2026-01-02T03:04:05+00:00"
    assert seen.row("Source, commit")[1] == "c0ffee"
    assert seen.row("Fingerprint of the data")[1] == "f" * 64
    assert seen.row("Random seed")[1] == str(simulated.summary.provenance.seed)
    assert "/secret" not in seen.text
    assert simulated.summary.model_version in seen.text
    assert "Started" not in page(simulated).text


@pytest.mark.parametrize("name", ["summary.json", "evaluation.csv", "explanations.npz"])
def test_a_folder_that_is_not_a_finished_run(
    name: str, simulated: FinishedRun, tmp_path: Path
) -> None:
    shutil.copytree(simulated.folder, tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    with pytest.raises(DataError, match=name):
        build_report(tmp_path / "run")
    (tmp_path / "run" / name).write_text("something else")
    with pytest.raises(DataError, match=name):
        build_report(tmp_path / "run")


def test_a_finished_run_has_the_section_in_its_page(run: FinishedRun) -> None:
    seen = page(run)
    assert "#burden" in seen.links
    found = run.summary.burden
    assert found is not None
    if found.why_absent:
        assert "set burden.sessions_in_a_course" in seen.text, "no plan is recorded here"
    else:
        everyone = 30 * found.n_patients / found.n_responders
        assert f"Treat all takes {everyone:.1f} (" in seen.text
        assert seen.rows_of("Sequencing at")
