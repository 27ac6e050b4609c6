"""Champions with models of the course of treatment: compared and updated week by week."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from monitored_ledgers import write_ledger
from promoted_runs import (
    BAD,
    CHAMPION,
    GOOD,
    NAME,
    add_week,
    champion,
    copied_store,
    few_draws,
    log_run,
    store_at,
    write_run,
)
from tracked_runs import made_up_patients, quiet_mlflow

import tms_response
from data_schemas.course import Course
from serving.predictor import ResponsePredictor
from serving.settings import LEDGER_VARIABLE
from training.promotion.judged_update import UPDATE_FILE, JudgedUpdate
from training.promotion.promote import challenge
from training.tracking.store import open_client, plain_mlflow

SCORED = Course.model_validate({"visits": [{"session": 5, "score": 9}]})


@pytest.fixture(scope="module")
def runs(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose champion (4) has a model of week 1, as have versions 5 and 6."""
    home = copied_store(template, tmp_path_factory.mktemp("course") / "store")
    made = (("present", BAD, GOOD, 0.65), ("better", GOOD, GOOD, 0.6), ("worse", GOOD, BAD, 0.55))
    with store_at(home), quiet_mlflow():
        for name, before, at_week, slope in made:
            log_run(add_week(write_run(home / name, before, slope), at_week, slope / 2))
        with plain_mlflow():
            open_client().set_registered_model_alias(NAME, "champion", "4")
    return home


@pytest.fixture
def course_store(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    home = copied_store(runs, tmp_path / "home")
    monkeypatch.setenv(LEDGER_VARIABLE, f"sqlite:///{home}/ledger.db")
    with store_at(home), quiet_mlflow(), few_draws():
        yield home


def command(*arguments: object) -> int:
    return tms_response.run([str(each) for each in arguments])


@pytest.mark.usefixtures("course_store")
def test_every_week_is_compared(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = challenge(runs / "better")
    assert found.evidence is not None
    [week] = found.evidence.course
    assert (week.week, week.n_patients) == (1, 160)
    assert {each.difference for each in week.compared} == {0}
    assert found.reasons == ()
    assert command("promote", runs / "worse") == 14
    said = capsys.readouterr()
    assert "At week 1 of treatment, its Brier score is higher by more than chance" in said.err
    assert "At week 1 of treatment, 160 patients" in said.out
    assert command("promote", runs / "better") == 0
    assert champion() == "5"


@pytest.mark.usefixtures("course_store")
def test_a_champion_with_a_course_is_not_followed_by_one_without(
    template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("promote", template / "good") == 14
    assert "does not answer in the course of treatment" in capsys.readouterr().err


def test_one_week_is_updated_and_promoted(
    course_store: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    present = ResponsePredictor.load(runs / "present" / "model")
    [at_week] = present.landmarks
    url, out, page = f"sqlite:///{course_store}/ledger.db", tmp_path / "update", tmp_path / "m.html"
    patients = made_up_patients(160, 9)
    write_ledger(url, at_week, patients, shift=1.6, course=SCORED)
    monitor = ["monitor", "--model", CHAMPION, "--out", page]
    assert command(*monitor) == 10
    assert "no prediction of model version" in capsys.readouterr().err
    assert command(*monitor, "--week", 1) == 20
    assert command(*monitor, "--week", 2) == 2
    assert "it has: 1." in capsys.readouterr().err
    update = ["update", CHAMPION, "--register", "--out", out]
    assert command(*update, "--week", 1) == 0
    updated = ResponsePredictor.load(out / "model")
    assert updated.identity == present.identity
    assert updated.landmarks[0].identity != at_week.identity
    # The digest before treatment is that of version 4 too.
    assert JudgedUpdate.load(out / UPDATE_FILE).update.parent == at_week.identity.version
    assert command("promote", runs / "present") == 2
    assert command("promote", out) == 0
    assert champion() == "7"


def test_the_first_model_is_updated_beside_its_weeks(
    course_store: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    present, out = ResponsePredictor.load(runs / "present" / "model"), tmp_path / "update"
    write_ledger(
        f"sqlite:///{course_store}/ledger.db", present, made_up_patients(160, 9), shift=1.6
    )
    assert command("update", CHAMPION, "--register", "--out", out) == 0
    assert "The models of week 1 are left as they are" in capsys.readouterr().out
    updated = ResponsePredictor.load(out / "model")
    assert updated.identity != present.identity
    assert updated.landmarks[0].identity == present.landmarks[0].identity
    assert command("promote", out) == 0
    # The update is of the champion before, and of no other.
    assert command("rollback") == 0
    assert command("promote", runs / "better") == 0
    assert command("promote", out) == 14
