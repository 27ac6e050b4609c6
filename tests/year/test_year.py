"""A simulated year, after which ledger, MLflow and metrics agree row by row."""

from collections.abc import Iterator

import pytest
from ledgers import postgres_server, rows_of
from lived_year import MONITORED, PSEUDONYM_KEY, WEEKS, Year, deployed_year

from serving.ledger.pseudonyms import PseudonymKeys
from serving.ledger.tables import outcomes

pytestmark = pytest.mark.year


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    home = tmp_path_factory.mktemp("year")
    with postgres_server() as postgres, deployed_year(home, postgres) as found:
        found.live(range(WEEKS))
        yield found


def test_every_answer_is_one_row(year: Year) -> None:
    keys = PseudonymKeys(PSEUDONYM_KEY)
    told = {
        each.answer["prediction_id"]: each
        for hospital in year.hospitals
        for each in hospital.notes.told.values()
    }
    rows = rows_of(year.deployment.ledger)
    assert len(rows) == len(told)
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


def test_every_report_is_one_row(year: Year) -> None:
    kept = [
        (
            row["prediction_id"],
            row["caller"],
            row["measured_on"],
            row["final_total"],
            row["responded"],
        )
        for row in rows_of(year.deployment.ledger, outcomes)
    ]
    reported = []
    for hospital in year.hospitals:
        for each in hospital.notes.reported:
            if each.status == "unchanged":
                continue
            name = hospital.notes.told[each.patient.number].answer["prediction_id"]
            said = each.patient.responded if each.final_total is None else None
            reported.append((name, each.caller, each.patient.measured_on, each.final_total, said))
    assert sorted(kept, key=str) == sorted(reported, key=str)
    statuses = {each.status for hospital in year.hospitals for each in hospital.notes.reported}
    assert statuses == {"recorded", "unchanged", "corrected"}


def test_the_faults_were_felt_and_nothing_was_lost_by_them(year: Year) -> None:
    for hospital in year.hospitals:
        assert hospital.notes.broken
        assert hospital.notes.statuses[503], "no outcome was refused while PostgreSQL was away"
        assert len(hospital.notes.told) == len(year.of(hospital))
    assert year.lost.total() > 0


def test_no_alarm_without_a_drift(year: Year) -> None:
    assert year.monitored == {week: [] for week in MONITORED}
