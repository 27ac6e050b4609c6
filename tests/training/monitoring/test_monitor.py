"""Monitoring of a real ledger: alarms where something was planted, silence where nothing was."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from browsers import (
    html_mistakes,
    needs_chromium,
    opened_page,
    scrolls_sideways,
    serious_violations,
)
from monitored_ledgers import NOW, START, drawn_patients, table_of_ledger, write_ledger
from prometheus_client.parser import text_string_to_metric_families
from served_models import fit_predictor

from data_schemas.errors import DataError
from features.connectivity import CONNECTIVITY_NAMES
from serving.ledger.export import FEATURE_PREFIX
from serving.predictor import ResponsePredictor
from training.monitoring.drift import Shift, Verdict
from training.monitoring.gauges import write_gauges
from training.monitoring.monitor import Monitored, missing_alarms, monitor
from training.monitoring.page import write_page
from training.monitoring.records import records_of
from training.monitoring.settings import MonitoringSettings

SETTINGS = MonitoringSettings()


@pytest.fixture(scope="module")
def predictor() -> ResponsePredictor:
    return fit_predictor(drawn_patients(400, 5))


@pytest.fixture(scope="module")
def ledger(predictor: ResponsePredictor, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.sqlite'}"
    write_ledger(url, predictor, drawn_patients(260, 1), known_share=0.9)
    return table_of_ledger(url)


def judged(table: pd.DataFrame, predictor: ResponsePredictor) -> Monitored:
    return monitor(table, predictor, SETTINGS, NOW)


def test_nothing_planted_no_alarm(
    ledger: pd.DataFrame, predictor: ResponsePredictor, tmp_path: Path
) -> None:
    found = judged(ledger, predictor)
    write_gauges(found, tmp_path / "monitor.prom")
    text = (tmp_path / "monitor.prom").read_text(encoding="utf-8")
    assert 'group="",level="",measure="auroc"' in text
    assert 'group="Sex",level="female",measure="o_to_e"' in text
    assert found.alarms == []
    assert len(found.windows) == 2
    assert len(found.records.y) == ledger["responded"].notna().sum()
    assert found.records.n_due_known == len(found.records.y) < found.records.n_due


def test_wrong_predictions_raise_the_right_chart(
    ledger: pd.DataFrame, predictor: ResponsePredictor
) -> None:
    for outcome, code in ((True, "calibration_higher"), (False, "calibration_lower")):
        table = ledger.assign(
            responded=ledger["responded"].where(ledger["responded"].isna(), outcome)
        )
        assert [alarm.code for alarm in judged(table, predictor).alarms] == [code]


def test_a_patient_who_was_asked_about_twice_and_rated_once_counts_once(
    ledger: pd.DataFrame, predictor: ResponsePredictor
) -> None:
    known = ledger[ledger["responded"].notna()].head(6)
    first, second = known["measured_on"].iloc[[0, -1]]
    table = known.assign(
        pseudonym=pd.Series(["a", "a", "a", "b", None, None], index=known.index, dtype=object),
        measured_on=[first, first, second, first, first, first],
    )
    records = records_of(table, predictor.document, predictor.identity.version, NOW)
    assert records.known.tolist() == [0, 3, 4, 5, 2]


def test_planted_drift_is_named(ledger: pd.DataFrame, predictor: ResponsePredictor) -> None:
    age, trials = f"{FEATURE_PREFIX}age_years", f"{FEATURE_PREFIX}failed_trials"
    table = ledger.assign(**{age: ledger[age] + 15})
    table[trials] = np.nan
    codes = [alarm.code for alarm in judged(table, predictor).alarms]
    assert codes == ["drift_age_years", "missing_failed_trials"]


def test_an_absent_scan_is_one_alarm() -> None:
    def lost(name: str, missing: Verdict = "drifted") -> Shift:
        return Shift(
            name, name.upper(), 0, np.nan, np.nan, np.nan, 1.0, 0.9, 1.0, 0.7, "too few", missing
        )

    names = [*CONNECTIVITY_NAMES[:3], "age_years"]
    alarms = list(missing_alarms([lost("ssri", "steady"), *map(lost, names)]))
    assert [alarm.code for alarm in alarms] == ["missing_connectivity", "missing_age_years"]
    assert "and 2 other inputs from the scan: unknown in 100%" in alarms[0].message
    [alone] = missing_alarms([lost(CONNECTIVITY_NAMES[0])])
    assert alone.code == f"missing_{CONNECTIVITY_NAMES[0]}"


def test_a_total_counts_by_the_outcome_that_the_model_predicts(
    ledger: pd.DataFrame, predictor: ResponsePredictor
) -> None:
    known = ledger[ledger["responded"].notna()].head(3)
    severity = known[f"{FEATURE_PREFIX}depression_severity"].to_numpy()
    baseline = severity * 27  # PHQ-9
    totals = np.array([np.floor(baseline[0] / 2), np.ceil(baseline[1] / 2 + 0.5), 5.0])
    table = known.assign(responded=None, final_total=totals, outcome_instrument="PHQ-9")
    table.loc[table.index[2], f"{FEATURE_PREFIX}depression_severity"] = np.nan
    records = records_of(table, predictor.document, predictor.identity.version, NOW)
    assert records.y.tolist() == [True, False]
    assert records.n_unusable == 1


def test_another_models_predictions_are_not_judged(
    ledger: pd.DataFrame, predictor: ResponsePredictor
) -> None:
    with pytest.raises(DataError, match="no prediction of model version"):
        judged(ledger.assign(model_version="other"), predictor)


def test_young_predictions_are_not_due(ledger: pd.DataFrame, predictor: ResponsePredictor) -> None:
    now = START + timedelta(weeks=9)
    records = records_of(ledger, predictor.document, predictor.identity.version, now)
    answered = ledger["probability"].notna()
    assert records.n_due == (answered & (ledger["recorded_at"] <= START + timedelta(weeks=1))).sum()


def test_the_page_is_whole(
    ledger: pd.DataFrame, predictor: ResponsePredictor, tmp_path: Path
) -> None:
    found = judged(ledger, predictor)
    write_page(found, tmp_path / "monitor.html")
    text = (tmp_path / "monitor.html").read_text(encoding="utf-8")
    assert html_mistakes(text) == []
    assert "No alarm" in text
    assert not re.search(r'(src|href)="https?:', text)
    coloured = set(re.findall(r"var\((--[\w-]+)", text))
    assert coloured, "it has the report's colours"
    assert coloured <= set(re.findall(r"(--[\w-]+):", text))
    for alt in re.findall(r'<img[^>]* alt="([^"]*)"', text):
        assert re.search(r"\d", alt), "an alt text says the finding"


def test_a_page_of_one_prediction(
    ledger: pd.DataFrame, predictor: ResponsePredictor, tmp_path: Path
) -> None:
    for table in (ledger.head(1), ledger.head(1).assign(responded=None)):
        write_page(judged(table, predictor), tmp_path / "monitor.html")
        assert html_mistakes((tmp_path / "monitor.html").read_text(encoding="utf-8")) == []


@needs_chromium
@pytest.mark.system
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(
    ledger: pd.DataFrame,
    predictor: ResponsePredictor,
    tmp_path: Path,
    scheme: Literal["light", "dark"],
) -> None:
    age = f"{FEATURE_PREFIX}age_years"
    path = tmp_path / "monitor.html"
    write_page(judged(ledger.assign(**{age: ledger[age] + 15}), predictor), path)
    with opened_page((360, 740), scheme=scheme) as page:
        page.goto(path.as_uri())
        assert page.get_by_role("heading", level=1).inner_text() == "1 alarm: look at the model"
        assert serious_violations(page) == []
        assert not scrolls_sideways(page)


def test_gauges_say_what_the_page_says(
    ledger: pd.DataFrame, predictor: ResponsePredictor, tmp_path: Path
) -> None:
    found = judged(ledger.assign(responded=True), predictor)
    write_gauges(found, tmp_path / "monitor.prom")
    text = (tmp_path / "monitor.prom").read_text(encoding="utf-8")
    samples = [
        sample for family in text_string_to_metric_families(text) for sample in family.samples
    ]
    value = {
        (s.name.removeprefix("tms_response_monitor_"), *sorted(s.labels.values())): s.value
        for s in samples
    }
    version = predictor.identity.version
    assert value["alarms", *sorted(["calibration", version])] == 1
    assert value["alarms", *sorted(["drift", version])] == 0
    assert value["alarms", *sorted(["out_of_range", version])] == 0
    assert value["predictions", version] == len(ledger)
    assert value["cusum_of_limit", *sorted(["higher", version])] >= 1
    for shift in found.shifts:
        if not np.isnan(shift.difference):
            assert value["shift_sd", *sorted([shift.name, version])] == shift.difference
        unknown = value["unknown_share", *sorted([shift.name, version])]
        assert unknown == shift.missing_share
    latest = found.windows[-1]
    assert value["mean_prediction", version] == latest.mean_probability
    assert value["share", *sorted(["unseen_site", version])] == latest.shares["unseen_site"].value
