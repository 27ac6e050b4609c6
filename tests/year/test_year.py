"""A simulated year, after which ledger, MLflow and metrics agree row by row."""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import dropwhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployments import samples
from ledgers import postgres_server, rows_of
from lived_year import (
    CRASH,
    DRIFT,
    LOOKS_FOR_THE_DRIFT,
    OUTAGE,
    PROMOTION,
    PSEUDONYM_KEY,
    QUIET_LOOKS,
    ROLLBACK,
    UPDATE_FOLDER,
    WEEKS,
    Year,
    deployed_year,
)
from promoted_runs import NAME, store_at
from sklearn.metrics import roc_auc_score
from tracked_runs import quiet_mlflow
from year_patients import monday
from year_story import HEAD, story

from serving.ledger.pseudonyms import PseudonymKeys
from serving.ledger.tables import outcomes
from training.learning.rows import BoolArray, FloatArray
from training.promotion.succession import Reign, Succession
from training.tracking.store import open_client

pytestmark = pytest.mark.year

DOCUMENT = Path(__file__).parents[2] / "docs" / "year.md"

# A service takes a new model within half a second, and a busy machine is slower.
_TO_FOLLOW = timedelta(seconds=60)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    home = tmp_path_factory.mktemp("year")
    with postgres_server() as postgres, deployed_year(home, postgres) as found:
        found.live()
        yield found


@pytest.fixture(scope="module")
def rows(year: Year) -> list[dict[str, Any]]:
    return rows_of(year.deployment.ledger)


@pytest.fixture(scope="module")
def reigns(year: Year) -> tuple[Reign, ...]:
    with store_at(year.deployment.home), quiet_mlflow():
        return Succession.read(open_client(), NAME).reigns


@pytest.fixture(scope="module")
def numbers(year: Year) -> dict[str, str]:
    """The versions that MLflow holds, by the version that stands in predictions."""
    with store_at(year.deployment.home), quiet_mlflow():
        found = open_client().search_model_versions(f"name = '{NAME}'")
    by_digest = {each.tags["model_digest"]: str(each.version) for each in found}
    return {version: by_digest[version.partition("+")[2]] for version in year.seen}


def test_every_answer_is_one_row(year: Year, rows: list[dict[str, Any]]) -> None:
    keys = PseudonymKeys(PSEUDONYM_KEY)
    told = {each.answer["prediction_id"]: each for each in year.told.values()}
    assert len(rows) == len(told) == len(year.patients)
    for row in rows:
        each = told[row["prediction_id"]]
        interval = each.answer["interval"] or dict.fromkeys(("lower", "upper", "level"))
        pseudonym = None if each.patient_id is None else keys.pseudonym(each.patient_id).value
        assert row["caller"] == each.caller
        assert row["route"] == each.route
        assert row["pseudonym"] == pseudonym
        assert row["model_version"] == each.version
        assert row["probability"] == each.answer["response_probability"]
        assert row["abstained"] == each.answer["abstained"]
        for end in ("lower", "upper", "level"):
            assert row[f"interval_{end}"] == interval[end]
        assert json.loads(row["notices"]) == each.answer["notices"]


def test_rows_stand_in_the_order_in_which_was_asked(year: Year, rows: list[dict[str, Any]]) -> None:
    patients = {each.answer["prediction_id"]: each.patient for each in year.told.values()}
    found = [patients[row["prediction_id"]] for row in rows]
    assert [year.week_of(row["recorded_at"]) for row in rows] == [each.week for each in found]
    for hospital in year.hospitals:
        assert [each for each in found if each.site == hospital.name] == year.of(hospital)


def test_every_report_is_one_row(year: Year) -> None:
    kept = [
        (
            row["prediction_id"], row["caller"], row["measured_on"], row["final_total"],
            row["responded"],
        )
        for row in rows_of(year.deployment.ledger, outcomes)
    ]  # fmt: skip
    reported = [each for hospital in year.hospitals for each in hospital.notes.reported]
    expected = [
        (
            year.told[each.patient.number].answer["prediction_id"], each.caller,
            each.patient.measured_on, each.final_total,
            each.patient.responded if each.final_total is None else None,
        )
        for each in reported
        if each.status != "unchanged"
    ]  # fmt: skip
    assert sorted(kept, key=str) == sorted(expected, key=str)
    assert {each.status for each in reported} == {"recorded", "unchanged", "corrected"}


def test_metrics_count_what_hospitals_have_seen(year: Year, rows: list[dict[str, Any]]) -> None:
    """Answers that were asked for again are counted again, and are one row."""
    kept = Counter(row["model_version"] for row in rows)
    again = Counter[str]()
    for hospital in year.hospitals:
        again += hospital.notes.repeated
    assert year.scrapes.total + year.lost == kept + again
    assert 0 < year.lost.total() < sum(each.week == CRASH for each in year.patients)


def test_the_faults_were_felt_and_nobody_was_lost(year: Year) -> None:
    for hospital in year.hospitals:
        assert hospital.notes.broken, f"{hospital.name} did not notice week {CRASH}"
        assert hospital.notes.statuses[503], f"{hospital.name} did not notice week {OUTAGE}"
        assert hospital.notes.told.keys() == {each.number for each in year.of(hospital)}


def test_the_drift_is_found_and_nothing_before_it(year: Year) -> None:
    looked = {week: codes for week, codes in year.alarms.items() if week < DRIFT.start}
    assert looked == {week: [] for week in QUIET_LOOKS}
    [(week, codes)] = [(week, codes) for week, codes in year.alarms.items() if codes]
    assert week in LOOKS_FOR_THE_DRIFT
    assert codes == ["calibration_lower"]


def test_mlflow_tells_who_was_champion_when(
    rows: list[dict[str, Any]], reigns: tuple[Reign, ...], numbers: dict[str, str]
) -> None:
    assert [(each.version, each.how) for each in reigns] == [
        ("1", "found"), ("2", "promotion"), ("1", "rollback")
    ]  # fmt: skip
    assert sorted(numbers.values()) == ["1", "2"]
    began = [datetime.fromisoformat(each.at) for each in reigns]
    for row in rows:
        at = row["recorded_at"]
        # Before anything was written down, the first version reigned.
        allowed = {
            reigns[max(0, bisect_right(began, moment) - 1)].version
            for moment in (at - _TO_FOLLOW, at)
        }
        assert numbers[row["model_version"]] in allowed


def test_the_evidence_is_of_these_patients(year: Year, reigns: tuple[Reign, ...]) -> None:
    written = json.loads((year.deployment.home / UPDATE_FOLDER / "update.json").read_text("utf-8"))
    update, [parent] = (
        written["update"],
        {each.version for each in year.told.values() if each.patient.week < PROMOTION},
    )
    y, _ = known_by(year, parent, year.updated, DRIFT.start)
    assert (update["n_patients"], update["n_events"]) == (len(y), int(y.sum()))
    assert update["parent"] == parent
    evidence = reigns[1].evidence
    assert evidence is not None
    assert (evidence["n_patients"], evidence["n_events"]) == (len(y), int(y.sum()))
    assert reigns[1].against == ()


def known_by(
    year: Year, version: str, week: int = WEEKS, since: int = 1
) -> tuple[BoolArray, FloatArray]:
    """Return what became of patients by a week, and what had been predicted, from the notes."""
    pairs = [
        (report.responded, told.chance)
        for number, report in year.reported(week).items()
        if (told := year.told[number]).version == version
        and told.chance is not None
        and told.patient.week >= since
    ]
    return np.array([y for y, _ in pairs], dtype=bool), np.array([p for _, p in pairs])


@pytest.mark.parametrize("number", ["1", "2"])
def test_the_monitor_s_figures_follow_from_the_notes(
    year: Year, numbers: dict[str, str], number: str
) -> None:
    [version] = [each for each, found in numbers.items() if found == number]
    alarms = year.monitor("last", "--model", f"models:/{NAME}/{number}")
    # The first version is still wrong about those of the drift; the second one never was.
    assert alarms == (["calibration_lower"] if number == "1" else [])
    text = (year.deployment.home / "last.prom").read_text("utf-8")
    y, p = known_by(year, version)

    def gauge(name: str, label: str, **others: str) -> dict[str, float]:
        return samples(text, f"tms_response_monitor_{name}", label, **others)

    told = [each for each in year.told.values() if each.version == version]
    assert gauge("predictions", "version") == {version: len(told)}
    assert gauge("outcomes", "version") == {version: len(y)}
    found = gauge("performance", "measure", end="estimate", group="")
    assert found["o_to_e"] == pytest.approx(y.sum() / p.sum(), abs=1e-9)
    assert found["brier"] == pytest.approx(np.mean((y - p) ** 2), abs=1e-9)
    assert found["auroc"] == pytest.approx(roc_auc_score(y, p), abs=1e-9)


def test_charts_that_begin_with_the_rollback_are_quiet(year: Year) -> None:
    assert year.monitor("anew", "--since", monday(ROLLBACK).isoformat()) == []


def test_the_story_is_told(
    year: Year, numbers: dict[str, str], request: pytest.FixtureRequest
) -> None:
    """Write the table of `docs/year.md`, last, since all else must hold before it is told."""
    assert not request.session.testsfailed
    table = story(year, numbers)
    print(f"\n{table}")
    before, _, after = DOCUMENT.read_text("utf-8").partition(HEAD)
    rest = dropwhile(lambda line: line.startswith("|"), after.splitlines(keepends=True))
    DOCUMENT.write_text(f"{before}{table}{''.join(rest)}", "utf-8", newline="\n")
