"""`tms-response ledger`: what is exported, and what is gone after deletion."""

import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ledgers import KEYS, entry, rows_of

import tms_response
from data_schemas.outcome_report import OutcomeReport
from serving.ledger.database import Database
from serving.ledger.entries import Entry, write_entries
from serving.ledger.ledger import Ledger
from serving.ledger.pseudonyms import PseudonymKeys
from serving.ledger.tables import answers, outcomes
from serving.settings import KEY_VARIABLE, LEDGER_VARIABLE, OUTBOX_VARIABLE

TODAY = datetime.now(UTC)
PATIENT = "planted-patient-61.8034"
OLD = PseudonymKeys("cd" * 32)


@pytest.fixture
def filled(
    url: str, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> list[Entry]:
    """A ledger of four predictions: an old one, two of one patient, one of nobody known."""
    monkeypatch.setenv(LEDGER_VARIABLE, url)
    monkeypatch.setenv(OUTBOX_VARIABLE, str(tmp_path / "outbox.db"))
    monkeypatch.setenv(KEY_VARIABLE, "ab" * 32 + "," + "cd" * 32)
    later = TODAY + timedelta(hours=1)
    entries = [
        entry(0, TODAY - timedelta(days=100)),
        entry(1, TODAY - timedelta(days=50)),
        entry(2, TODAY, pseudonym=KEYS.pseudonym(PATIENT).value, expires_at=later, body=b"secret"),
        entry(3, TODAY),
    ]
    entries[1].rows[0].update(pseudonym=OLD.pseudonym(PATIENT).value)
    entries[2].rows[0].update(pseudonym=KEYS.pseudonym(PATIENT).value)
    entries[3].rows[0].update(
        features='{"number": null, "other": 2.5}',
        notices='[{"code": "a"}, {"code": "b"}]',
        probability=None,
        abstained=True,
    )
    write_entries(database, entries, TODAY)
    ledger = Ledger(url, KEYS, tmp_path / "outbox.db")
    for total in (9, 7):
        report: dict[str, Any] = {
            "prediction_id": entries[2].rows[0]["prediction_id"], "measured_on": TODAY.date(),
            "instrument": "PHQ-9", "final_total": total,
        }  # fmt: skip
        ledger.record_outcome(OutcomeReport(**report), "tests")
    ledger.close()
    return entries


def ids(entries: list[Entry]) -> list[str]:
    return [each.rows[0]["prediction_id"] for each in entries]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_export_holds_features_and_latest_outcomes(
    filled: list[Entry], tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"ledger{suffix}"
    assert tms_response.run(["ledger", "export", "--out", str(out)]) == 0
    table = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert list(table["prediction_id"]) == ids(filled)
    assert list(table["outcome_reports"]) == [0, 0, 2, 0]
    assert table["final_total"].dropna().tolist() == [7]
    assert str(table["measured_on"].dropna().tolist()[0]) == date.isoformat(TODAY.date())
    assert table["feature.number"].fillna(-1).tolist() == [0, 1, 2, -1]
    assert table["feature.other"].fillna(-1).tolist() == [-1, -1, -1, 2.5]
    assert table["notices"].fillna("").tolist() == ["", "", "", "a b"]
    assert "features" not in table
    assert out.stat().st_mode & 0o777 == 0o600


def test_an_export_may_begin_at_a_moment(filled: list[Entry], tmp_path: Path) -> None:
    out = tmp_path / "ledger.csv"
    since = (TODAY - timedelta(days=60)).date().isoformat()
    assert tms_response.run(["ledger", "export", "--out", str(out), "--since", since]) == 0
    assert list(pd.read_csv(out)["prediction_id"]) == ids(filled[1:])


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("by_pseudonym", [False, True])
def test_a_deleted_patient_is_gone_from_every_table_and_file(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    by_pseudonym: bool,
) -> None:  # fmt: skip
    name = KEYS.pseudonym(PATIENT).value
    monkeypatch.setattr("sys.stdin", io.StringIO(PATIENT + "\n"))
    options = ["--pseudonym", name] if by_pseudonym else []
    assert tms_response.run(["ledger", "delete", *options]) == 0
    # The identifier finds what was recorded under an older key as well.
    assert len(rows_of(url)) == (3 if by_pseudonym else 2)
    assert rows_of(url, outcomes) == rows_of(url, answers) == []
    for file in tmp_path.glob("ledger.db*"):
        assert name.encode() not in file.read_bytes()
    assert tms_response.run(["ledger", "delete", "--pseudonym", name]) == 10
    captured = capsys.readouterr()
    assert "2 outcomes" in captured.out
    assert PATIENT not in captured.out + captured.err


def test_what_is_older_is_purged(filled: list[Entry], url: str) -> None:
    assert tms_response.run(["ledger", "purge", "--older-than", "60"]) == 0
    assert [row["prediction_id"] for row in rows_of(url)] == ids(filled[1:])
    assert len(rows_of(url, outcomes)) == 2
    assert tms_response.run(["ledger", "purge", "--older-than", "0"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["export", "--out", "ledger.txt"], 2, "must end in .csv or .parquet"),
        (["export", "--out", "nowhere/ledger.csv"], 2, "There is no folder"),
        (["export", "--out", "ledger.csv", "--since", "yesterday"], 2, "--since is a date"),
        (["export", "--out", "ledger.csv"], 11, "There is no ledger"),
    ],
)
def test_mistakes_are_sentences(
    arguments: list[str], code: int, said: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(LEDGER_VARIABLE, f"sqlite:///{tmp_path / 'absent.db'}")
    assert tms_response.run(["ledger", *arguments]) == code
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
