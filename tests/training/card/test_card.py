"""The card is judged as its readers meet it: as three files that say the same."""

import csv
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from carded_runs import (
    as_toml,
    card_of,
    everything_said,
    plain_markdown,
    real_run,
    sayings,
    simulated_run,
    single_spaced,
    too_small_run,
)
from finished_runs import FinishedRun
from report_pages import Page

from data_schemas.card_text import CardText
from data_schemas.errors import ConfigurationError
from data_schemas.filled_card import FilledCard
from serving.predictor import ResponsePredictor
from training.card.build import build_card
from training.card.standards import STANDARDS, read_standard

FILES = ("card.html", "card.md", "card.json")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return simulated_run(tmp_path_factory.mktemp("simulated"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return real_run(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def too_small(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return too_small_run(tmp_path_factory.mktemp("small"))


@pytest.fixture(params=["simulated", "real", "too_small"])
def run(request: pytest.FixtureRequest) -> FinishedRun:
    found: FinishedRun = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def copied(simulated: FinishedRun, tmp_path: Path) -> Path:
    """A copy of the simulated run that a test may bend."""
    return Path(shutil.copytree(simulated.folder, tmp_path / "run"))


def test_the_json_reads_back_as_it_was_written(run: FinishedRun) -> None:
    text = (run.folder / "card.json").read_text("utf-8")
    assert card_of(run.folder).to_text() == text


def test_the_three_files_say_the_same(run: FinishedRun) -> None:
    card = card_of(run.folder)
    page = single_spaced(Page(run.folder / "card.html").text).casefold()
    markdown = plain_markdown((run.folder / "card.md").read_text("utf-8")).casefold()
    for words in map(single_spaced, sayings(card)):
        assert words.casefold().strip() in page, words
        assert words.casefold().strip() in markdown, words


def test_the_page_is_sound_html(run: FinishedRun) -> None:
    seen = Page(run.folder / "card.html")
    assert seen.problems == []
    assert len(seen.ids) == len(set(seen.ids))
    assert (seen.tags["h1"], seen.tags["nav"], seen.tags["main"]) == (1, 1, 1)
    assert np.diff(seen.headings).max() == 1
    assert seen.tags["script"] == 0
    inside = {link.removeprefix("#") for link in seen.links if link.startswith("#")}
    assert inside <= set(seen.ids)


def test_every_link_leads_to_a_section_of_the_report(run: FinishedRun) -> None:
    elsewhere = {link for link in Page(run.folder / "card.html").links if link[0] != "#"}
    sections = {f"report.html#{anchor}" for anchor in Page(run.folder / "report.html").ids}
    assert elsewhere
    assert elsewhere <= sections
    beside_the_model = Page(run.folder / "model" / "card.html")
    assert [link for link in beside_the_model.links if link[0] != "#"] == []


def test_every_place_in_the_report_exists_in_a_run_that_has_everything(
    simulated: FinishedRun,
) -> None:
    """A section that the report renames or drops must not vanish from the card in silence."""
    asked = {
        place
        for name in STANDARDS
        for group in read_standard(name)["group"]
        for item in group["items"]
        for place in item.get("places", ())
    }
    sections = Page(simulated.folder / "report.html").ids
    root = Path(__file__).parents[3]
    for place in asked:
        kind, _, anchor = place.partition("#")
        assert anchor in sections if kind == "report" else (root / place).is_file(), place


def test_every_figure_is_that_of_the_evaluation(run: FinishedRun) -> None:
    """The rows of evaluation.csv, read and rounded by other code than the card's."""
    names = {
        "AUROC (chance 0.5)": ("auroc", 2), "AUPRC": ("auprc", 2), "Brier score": ("brier", 3),
        "Scaled Brier score": ("brier_scaled", 3), "Log loss": ("log_loss", 3),
        "Calibration slope (ideal 1)": ("calibration_slope", 2),
        "Calibration intercept (ideal 0)": ("calibration_intercept", 2),
        "Observed to expected (ideal 1)": ("o_to_e", 2),
        "Average error, ICI (ideal 0)": ("ici", 3),
    }  # fmt: skip
    with (run.folder / "evaluation.csv").open(encoding="utf-8") as file:
        rows = {
            (row["model"], row["split"], row["metric"]): row
            for row in csv.DictReader(file)
            if not row["threshold"]
        }
    summary = run.summary
    model = summary.served_model if summary.served_model != "base_rate" else "logistic_clinical"
    by_site = summary.split_name == "leave_one_site_out"
    [table] = [each for each in card_of(run.folder).tables if "training cohort" in each.caption]
    assert len(table.rows) >= 7
    for label, estimate, n in table.rows:
        metric, digits = names[label]
        within = by_site and metric in {"auroc", "auprc", "calibration_slope"}
        split = summary.split_name + ("/within_site" if within else "")
        row = rows[model, split, metric]
        value, low, high = (float(row[end] or "nan") for end in ("estimate", "lower", "upper"))
        ends = f"({low:z.{digits}f} to {high:z.{digits}f})"
        ends = ends if row["lower"] else "(no interval can be given)"
        unsteady = metric == "calibration_slope" and high - low > 2
        warned = ", too uncertain to be read" if unsteady else ""
        assert estimate == f"{value:z.{digits}f} {ends}{warned}"
        assert n == row["n"]


def test_the_brier_score_is_that_of_the_held_out_chances(real: FinishedRun) -> None:
    held = pd.read_csv(real.folder / "out_of_fold.csv")
    held = held[held["model"] == real.summary.served_model]
    brier = ((held["probability"] - held["y"]) ** 2).mean()
    [table] = [each for each in card_of(real.folder).tables if "training cohort" in each.caption]
    [told] = [row[1] for row in table.rows if row[0] == "Brier score"]
    assert float(told.split()[0]) == pytest.approx(brier, abs=0.0006)


def test_a_figure_that_changes_changes_wherever_it_stands(copied: Path) -> None:
    before = card_of(copied).to_text()
    auroc = next(row[1] for row in card_of(copied).tables[0].rows if row[0].startswith("AUROC"))
    path = copied / "evaluation.csv"
    frame = pd.read_csv(path)
    chosen = (
        (frame["model"] == "lightgbm_both")
        & (frame["split"] == "leave_one_site_out/within_site")
        & (frame["metric"] == "auroc")
    )
    frame.loc[chosen, ["estimate", "lower", "upper"]] = [0.9111, 0.9022, 0.9233]
    frame.to_csv(path, index=False)
    build_card(copied)
    after = card_of(copied).to_text()
    assert after.count("0.91 (0.90 to 0.92)") == before.count(auroc) >= 4
    assert auroc not in after


def test_nothing_is_invented_and_nothing_said_is_lost(copied: Path) -> None:
    """An item of the owner's reads “not provided” exactly where the owner says nothing."""
    said = everything_said()
    for kept in ({}, dict(list(said.items())[::2]), said):
        (copied / "card.toml").write_text(as_toml(kept), "utf-8")
        build_card(copied)
        card = card_of(copied)
        told = {
            part.text
            for standard in card.standards
            for item in standard.items
            for part in item.parts
            if part.source == "owner"
        }
        assert told - {None} == set(kept.values())
        assert (None in told) == (kept != said)
        page = (copied / "card.html").read_text("utf-8")
        assert ('class="absent"' in page) == (kept != said)
        assert ("**not provided**" in (copied / "card.md").read_text("utf-8")) == (kept != said)


def test_the_owner_cannot_break_the_page(copied: Path) -> None:
    hostile = "<script>alert(1)</script> | [a](javascript:b) `c` *d* & \n\n# e"
    (copied / "card.toml").write_text(as_toml({"developer.name": hostile}), "utf-8")
    build_card(copied)
    assert Page(copied / "card.html").tags["script"] == 0
    markdown = (copied / "card.md").read_text("utf-8")
    assert "<script>" not in markdown
    assert r"\[a\](javascript:b)" in markdown
    assert "\n# e" not in markdown
    assert single_spaced(hostile) in plain_markdown(markdown)


def test_a_wrong_card_text_is_named(copied: Path) -> None:
    (copied / "card.toml").write_text("[developer]\nnames = 'x'", "utf-8")
    with pytest.raises(ConfigurationError, match="Did you mean 'name'"):
        build_card(copied)


def test_each_item_of_each_standard_is_there_once(run: FinishedRun) -> None:
    numbers = {
        standard.key: [item.number for item in standard.items]
        for standard in card_of(run.folder).standards
    }
    assert numbers["hti-1"] == [str(number) for number in range(1, 32)]
    tripod = (
        "1 2 3a 3b 3c 4 5a 5b 6a 6b 6c 7 8a 8b 8c 9a 9b 9c 10 11 12a 12b 12c 12d 12e 12f 12g 13 14 "
        "15 16 17 18a 18b 18c 18d 18e 18f 19 20a 20b 20c 21 22 23a 23b 24 25 26 27a 27b 27c"
    )
    assert numbers["tripod-ai"] == tripod.split()
    assert len(numbers["tripod-ai"]) == 52
    assert len({number.rstrip("abcdefg") for number in numbers["tripod-ai"]}) == 27
    told = " ".join(card_of(run.folder).answers[-1].details)
    assert "HTI-1: 31 source attributes; of 31: " in told
    assert "TRIPOD+AI: 27 items, 52 sub-items; of 52: " in told
    domains = Counter(number.partition(".")[0] for number in numbers["probast-ai"])
    assert domains == {
        "D1": 3, "D2": 4, "D3": 4, "D4": 5, "E1": 3, "E2": 4, "E3": 4, "E4": 7,
    }  # fmt: skip
    leaves = Counter(number.partition(".")[0] for number in numbers["chai"])
    metrics = {"UsefulnessUsabilityEfficacy", "FairnessEquity", "SafetyReliability"}
    assert {name for name, count in leaves.items() if count > 1} == metrics
    assert all(leaves[name] == 6 for name in metrics)
    assert len(numbers["chai"]) == 38 + 18
    page, markdown = Page(run.folder / "card.html"), (run.folder / "card.md").read_text("utf-8")
    for key, found in numbers.items():
        assert sum(anchor.startswith(f"{key}-") for anchor in page.ids) == len(found) + 1
        assert all(f"**{number}. ".replace("_", "\\_") in markdown for number in found)


def test_the_card_says_what_the_run_is(
    simulated: FinishedRun, real: FinishedRun, too_small: FinishedRun
) -> None:
    told = {
        run.folder: " ".join(card_of(run.folder).warnings) for run in (simulated, real, too_small)
    }
    assert "simulated" in told[simulated.folder]
    assert "not TMS" not in told[simulated.folder]
    assert "The treatment was not TMS." in told[real.folder]
    assert "(not TMS)" in card_of(real.folder).title
    assert "simulated" not in told[real.folder] + told[too_small.folder]
    assert "never answers" in told[too_small.folder]
    answers = {answer.question: answer for answer in card_of(too_small.folder).answers}
    assert "comparator" in " ".join(answers["How good is it?"].details)
    assert answers["What are the cautions?"].short.startswith("Do not use it")
    assert all("Research software" in each for each in told.values())


def test_no_patients_value_is_in_any_file(real: FinishedRun) -> None:
    names = [feature.name for feature in real.table.features]
    ages = {f"{age:.4f}" for age in real.table.X[:, names.index("age_years")]}
    assert len(ages) == 120
    for folder in (real.folder, real.folder / "model"):
        written = "".join((folder / name).read_text("utf-8") for name in FILES)
        assert not [age for age in ages if age in written]
        assert str(real.folder) not in written


def test_the_same_files_give_the_same_bytes_and_leave_the_model_alone(copied: Path) -> None:
    kept = {path: path.read_bytes() for path in sorted(copied.rglob("*")) if path.is_file()}
    build_card(copied)
    assert {path: path.read_bytes() for path in kept} == kept
    loaded = ResponsePredictor.load(copied / "model")
    assert loaded.identity.version == card_of(copied).model_version


def test_every_word_of_the_owner_has_a_place() -> None:
    asked = {
        ask.removesuffix("?")
        for name in STANDARDS
        for group in read_standard(name)["group"]
        for item in group["items"]
        for ask in item["asks"]
    }
    assert {ask for ask in asked if "." in ask} == set(CardText().said())


def test_a_card_cannot_hold_an_item_twice(simulated: FinishedRun) -> None:
    content = card_of(simulated.folder).model_dump()
    items = content["standards"][0]["groups"][0]["items"]
    content["standards"][0]["groups"][0]["items"] = (*items, items[0])
    with pytest.raises(ValueError, match="number of its own"):
        FilledCard.model_validate(content)
