"""The report on sessions and cost: who would wait or be lost stands beside what is saved."""

from pathlib import Path

import pytest
from jinja2 import Environment, PackageLoader, StrictUndefined
from report_pages import Page
from tracked_runs import write_run_folder

from training.burden.measures import (
    MINUS_LOT,
    MINUS_TREAT_ALL,
    SHARE_CHANGED,
    SHARE_OF_RESPONDERS,
)
from training.burden.strategies import COST, SESSIONS
from training.burden.summary import BurdenFigure, BurdenRow, BurdenSummary, StrategyBurden
from training.config import BurdenCosts
from training.report.burden_sections import burden_section
from training.summary import RunSummary

COSTS = BurdenCosts(session=180, next_step=1200, next_step_rate=0.2, currency="EUR")


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    """The summary of a run, with whatever sessions and cost a test gives it."""
    return RunSummary.load(write_run_folder(tmp_path_factory.mktemp("run") / "run"))


def figure(estimate: float, half: float | None = 0.5) -> BurdenFigure:
    if half is None:
        return BurdenFigure(estimate=estimate, lower=None, upper=None)
    return BurdenFigure(estimate=estimate, lower=estimate - half, upper=estimate + half)


def row(threshold: float, n: int, responders: int, difference: float) -> BurdenRow:
    return BurdenRow(
        threshold=threshold, n_changed=n, n_responders_changed=responders,
        figures={
            SHARE_CHANGED: figure(n / 240, 0.02),
            SHARE_OF_RESPONDERS: figure(responders / 100, 0.03),
            SESSIONS: figure(72 + difference),
            SESSIONS + MINUS_TREAT_ALL: figure(difference),
            SESSIONS + MINUS_LOT: figure(difference),
            COST: figure(9_000 + difference, 40),
            COST + MINUS_TREAT_ALL: figure(difference, 30),
            COST + MINUS_LOT: figure(difference - 20, 10),
        },
    )  # fmt: skip


def burden(**changes: object) -> BurdenSummary:
    found = BurdenSummary(
        sessions_in_a_course=30, n_patients=240, n_responders=100,
        treat_all={SESSIONS: figure(72, 5), COST: figure(9_000, 500)},
        sequencing=StrategyBurden(
            n_asked=240, withheld=(0.7,),
            rows=(row(0.2, 0, 0, 0), row(0.4, 60, 12, -6.2), row(0.6, 200, 80, 0.1)),
        ),
        rescoring=StrategyBurden(
            week=2, sessions_by_then=10, n_asked=200, rows=(row(0.3, 50, 9, 4.3),)
        ),
        costs=COSTS,
    )  # fmt: skip
    return found.model_copy(update=changes)


def told(summary: RunSummary, folder: Path, found: BurdenSummary | None) -> Page:
    """Return the section alone, of a run that says this of sessions and cost."""
    environment = Environment(
        loader=PackageLoader("training.report"), autoescape=True, undefined=StrictUndefined
    )
    macros = '{% from "macros.html.j2" import show_table, show_picture %}'
    section = environment.from_string(macros + '{% include "burden.html.j2" %}').render(
        burden=burden_section(summary.model_copy(update={"burden": found}))
    )
    path = folder / "section.html"
    path.write_text(section, encoding="utf-8")
    return Page(path)


def test_each_row_tells_who_pays_beside_what_is_saved(summary: RunSummary, tmp_path: Path) -> None:
    seen = told(summary, tmp_path, burden())
    assert seen.problems == []
    assert "not a reason to withhold treatment, or to stop it, for anyone" in seen.text
    [at_40] = [line for line in seen.rows_of("40 %") if "of 240" in line[1]]
    assert at_40[1:] == [
        "60 of 240 25 (23 to 27) %", "12 of 100 12 (9 to 15) %", "65.8 65.3 to 66.3",
        "-6.2 -6.7 to -5.7",
    ]  # fmt: skip
    [at_30] = [line for line in seen.rows_of("30 %") if "of 240" in line[1]]
    assert at_30[2] == "9 of 100 9 (6 to 12) %"
    assert seen.row("Re-scoring at 30")[1:] == [
        "9 of 100 9 (6 to 12) %", "9004 8964 to 9044", "+4 -26 to +34", "-16 -26 to -6",
    ]  # fmt: skip
    for harm in ("Responders who would wait", "Responders who would have been lost"):
        assert any(harm in cell for line in seen.rows for cell in line)
    [alt] = [alt for _, alt in seen.pictures if "for each responder" in alt]
    assert "Treat all: 72.0 (67.0 to 77.0) sessions." in alt
    assert (
        "Sequencing is shown to take fewer sessions for each responder than treat all at 40 %;"
        in alt
    )
    assert "who would wait: 12 % at a threshold of 40 % to 80 % at a threshold of 60 %." in alt
    assert "Re-scoring at week 2 is not shown to take fewer" in alt
    assert "more at 30 %; responders who would have been lost: 9 % at a threshold of 30 %." in alt
    harm = "Where it takes fewer, responders who would wait: 12 % at a threshold of 40 %."
    assert harm in seen.text
    assert "Nobody had a chance below 20 %: there it is treat all. Withheld: 70 %" in seen.text


def test_a_difference_is_shown_only_where_its_printed_interval_shows_it(
    summary: RunSummary,
) -> None:
    for difference, verdict in ((-0.54, "not shown to take fewer"), (-0.6, "shown to take fewer")):
        one = StrategyBurden(n_asked=240, rows=(row(0.4, 60, 12, difference),))
        summary = summary.model_copy(update={"burden": burden(sequencing=one)})
        section = burden_section(summary)
        assert section is not None
        assert section["sequencing_words"].startswith(f"It is {verdict}")


def test_what_is_not_known_is_said_instead(summary: RunSummary, tmp_path: Path) -> None:
    assert "burden" not in told(summary, tmp_path, None).ids
    seen = told(summary, tmp_path, BurdenSummary(why_absent="Nothing was planned."))
    assert "There are no figures. Nothing was planned." in seen.text
    assert not [alt for _, alt in seen.pictures if "for each responder" in alt]
    lacking = burden(
        costs=None, treat_all={SESSIONS: figure(72, None)},
        sequencing=StrategyBurden(why_absent="All are alike."),
        rescoring=StrategyBurden(why_absent="No models of the course were trained."),
    )  # fmt: skip
    seen = told(summary, tmp_path, lacking)
    assert seen.problems == []
    for words in (
        "Treat all takes 72.0 sessions for each responder.", "All are alike.",
        "No models of the course were trained.", "No cost was given; set burden.costs",
    ):  # fmt: skip
        assert words in seen.text
    assert not seen.rows_of("Treat all")


def test_it_is_called_by_its_outcome_and_its_treatment(summary: RunSummary) -> None:
    outcome = summary.outcome.model_copy(update={"kind": "remission"})
    summary = summary.model_copy(update={"outcome": outcome, "burden": burden()})
    section = burden_section(summary)
    assert section is not None
    assert (section["responders"], section["treatment"]) == ("remitters", "the treatment")
    assert section["rescoring"].header[2].text == "Remitters who would have been lost"
    assert section["costs"].header[2].text == "Cost for each remitter"
    small = burden(treat_all={SESSIONS: figure(72), COST: figure(9, 1)})
    cheap = burden_section(summary.model_copy(update={"burden": small}))
    assert cheap is not None
    assert cheap["costs"].rows[0][2].text == "9.00"
