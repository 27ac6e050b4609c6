"""`tms-response promote` and `rollback`: by the evidence, with a trace, followed by a service."""

import json
import re
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from fresh_process import served
from held_out_predictions import BOTH, CV
from promoted_runs import CHAMPION, GOOD, NAME, champion, document_of, log_run, write_run
from small_study import Study

import tms_response
from data_schemas.outcome import OutcomeDefinition
from serving.openapi_examples import example_patient
from serving.settings import RELOAD_VARIABLE
from serving.update_document import LocalUpdate
from training.cohort.read import read_cohort
from training.dataset import reached
from training.promotion.promote import challenge, promote
from training.promotion.rollback import rollback
from training.promotion.succession import Reign
from training.summary import Finding, RunSummary
from training.tracking.store import open_client, plain_mlflow

COHORT = """
name = "Next year"
licence = "none"
citation = "none"
simulated = true

[treatment]
is_tms = true
description = "TMS"

[tables.people]
file = "people.csv"
id = "id"

[patient]
age_years = "people.age"
failed_trials = "people.failed"
benzodiazepine = "people.bzd"

[outcome]
instrument = "PHQ-9"
baseline = "people.pre"
final = "people.post"
"""


def command(*arguments: object) -> int:
    return tms_response.run([str(each) for each in arguments])


def tags() -> dict[str, str]:
    with plain_mlflow():
        found: dict[str, str] = open_client().get_registered_model(NAME).tags
        return found


def write_cohort(folder: Path, n: int = 60) -> Path:
    rng = np.random.default_rng(3)
    lines = ["id,age,failed,bzd,pre,post"]
    for number in range(n):
        age, failed, before = rng.integers(20, 70), rng.integers(1, 7), rng.integers(12, 27)
        after = rng.integers(2, before)
        lines.append(f"p{number},{age},{failed},{rng.choice(['yes', 'no'])},{before},{after}")
    return Study(folder, COHORT, {"people.csv": "\n".join(lines) + "\n"}).write()


@pytest.mark.usefixtures("store")
def test_a_better_model_is_promoted_with_its_evidence(
    template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("promote", template / "good") == 0
    assert champion() == "2"
    said = capsys.readouterr().out
    assert "Champion of tms-response: version 2 after version 1." in said
    assert "160 patients held out" in " ".join(said.split())
    reign = Reign.model_validate_json(tags()["champion.2"])
    assert (reign.version, reign.below, reign.how) == ("2", 1, "promotion")
    assert (reign.why, reign.against) == (None, ())
    assert reign.by
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", reign.at)
    assert reign.evidence is not None
    assert reign.evidence["n_patients"] == 160
    found = {each["metric"]: each for each in reign.evidence["compared"]}
    assert set(found) == {"brier", "auroc", "calibration_slope", "calibration_intercept"}
    assert found["brier"]["upper"] < 0
    with plain_mlflow():
        version = open_client().get_model_version(NAME, "2")
    assert Reign.model_validate_json(version.tags["promotion"]) == reign


@pytest.mark.usefixtures("store")
def test_a_worse_model_is_refused_and_may_be_forced(
    template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("promote", template / "good") == 0
    before = tags()
    assert command("promote", template / "bad") == 14
    said = capsys.readouterr().err
    assert "Brier score is higher by more than chance" in said
    assert "--override" in said
    assert (champion(), tags()) == ("2", before)
    assert command("promote", template / "bad", "--override", " ") == 2
    assert command("promote", template / "bad", "--override", "The old one is withdrawn.") == 0
    assert champion() == "3"
    reign = Reign.model_validate_json(tags()["champion.3"])
    assert reign.why == "The old one is withdrawn."
    assert any("Brier score is higher" in reason for reason in reign.against)
    assert command("rollback", NAME, "--why", "It was worse.") == 0
    assert champion() == "2"
    assert Reign.model_validate_json(tags()["champion.4"]).why == "It was worse."
    capsys.readouterr()
    assert command("promote", template / "bad") == 14
    assert re.search(r"It was rolled back on \d{4}-\d\d-\d\d: It was worse\.", _one_line(capsys))


def _one_line(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.usefixtures("store")
def test_what_cannot_be_promoted_is_said(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("promote", template / "champion") == 2
    assert "champion already" in capsys.readouterr().err
    assert command("promote", tmp_path) == 10
    # The folder of one run with the model of another.
    swapped = write_run(tmp_path / "swapped", GOOD, 0.55)
    (swapped / "run.json").write_text((template / "good" / "run.json").read_text("utf-8"))
    assert command("promote", swapped) == 12
    assert "is not version 2" in capsys.readouterr().err
    remission = OutcomeDefinition(kind="remission", instrument="PHQ-9")
    other = write_run(tmp_path / "other", GOOD, 0.5, document={"outcome": remission})
    log_run(other)
    assert command("promote", other, "--override", "why not") == 12
    assert "different questions" in capsys.readouterr().err
    assert (champion(), tags()) == ("1", {})


@pytest.mark.usefixtures("store")
def test_errors_of_the_checks_stand_in_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = Finding(code="TMS011", severity="error", title="Too good", message="Made up.")
    log_run(write_run(tmp_path / "run", GOOD, 0.6, findings=(finding,)))
    assert command("promote", tmp_path / "run") == 14
    assert "TMS011" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_other_patients_need_a_cohort_of_neither(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    provenance = document_of(template / "good").provenance
    newer = provenance.model_copy(update={"data_fingerprint": "e" * 64})
    run = write_run(tmp_path / "run", GOOD, 0.6, document={"provenance": newer})
    log_run(run)
    assert command("promote", run) == 14
    assert "--cohort" in capsys.readouterr().err
    cohort = write_cohort(tmp_path / "cohort")
    found = challenge(run, cohort=cohort)
    assert found.evidence is not None
    assert found.evidence.n_patients == 60
    assert 0 < found.evidence.n_events < 60
    assert found.evidence.abstained is not None
    assert {each.metric for each in found.evidence.compared} >= {"brier", "auroc"}
    # Both have the same trees, so that they rank alike.
    by_metric = {each.metric: each for each in found.evidence.compared}
    assert by_metric["auroc"].difference == 0
    assert by_metric["brier"].difference != 0


def trained_on(folder: Path, cohort: Path) -> Path:
    """Write a run of a model that was trained on a cohort, and predicted its patients well."""
    read = read_cohort(cohort)
    y = reached(read.trained_on(), "response").astype(int)
    provenance = document_of(write_run(folder.with_name("plain"), GOOD, 0.6)).provenance
    own = provenance.model_copy(update={"data_fingerprint": read.fingerprint})
    run = write_run(folder, GOOD, 0.6, document={"provenance": own})
    chance = np.random.default_rng(1).uniform(0.2, 0.8, len(y)) / 2 + y / 4
    rows = np.arange(len(y))
    held_out = pd.DataFrame(
        {"row": 1 + rows, "site": "a", "repeat": 0, "fold": rows % 5, "y": y, "model": BOTH,
         "probability": chance}
    )  # fmt: skip
    held_out.to_csv(run / "out_of_fold.csv", index=False)
    changes = {"split_name": CV, "provenance": own}
    RunSummary.load(run).model_copy(update=changes).save(run)
    log_run(run)
    return run


@pytest.mark.usefixtures("store")
def test_a_refit_on_new_patients_is_judged_on_them_as_they_were_held_out(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort = write_cohort(tmp_path / "cohort")
    run = trained_on(tmp_path / "run", cohort)
    assert command("promote", run) == 14
    assert "--cohort" in capsys.readouterr().err
    found = challenge(run, cohort=cohort)
    assert found.evidence is not None
    assert found.evidence.n_patients == 60
    by_metric = {each.metric: each for each in found.evidence.compared}
    assert by_metric["auroc"].challenger > 0.9 > by_metric["auroc"].champion
    assert command("promote", run, "--cohort", cohort) == 0
    assert "the challenger in turns without them" in " ".join(capsys.readouterr().out.split())
    # From now on it is the champion's own, and judges nobody.
    update = LocalUpdate(
        parent="p", method="recalibration in the large", place="here", slope=1, intercept=0,
        level_error=0, n_patients=60, n_events=30, p_unchanged=0, p_level=1,
        fingerprint=read_cohort(cohort).fingerprint,
    )  # fmt: skip
    updated = write_run(tmp_path / "updated", GOOD, 0.55, document={"updates": (update,)})
    log_run(updated)
    for challenger, what in ((updated, "updated"), (template / "good", "trained")):
        assert command("promote", challenger, "--cohort", cohort) == 10
        assert f"was {what} on the cohort" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_a_refit_of_other_patients_than_it_says_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort = write_cohort(tmp_path / "cohort")
    run = trained_on(tmp_path / "run", cohort)
    held_out = pd.read_csv(run / "out_of_fold.csv")
    held_out.assign(y=held_out["y"].iloc[::-1].to_numpy()).to_csv(run / "out_of_fold.csv")
    assert command("promote", run, "--cohort", cohort) == 10
    assert "are not of the patients" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_without_a_champion_the_checks_alone_decide(template: Path) -> None:
    with plain_mlflow():
        open_client().delete_registered_model_alias(NAME, "champion")
    assert command("promote", template / "bad") == 0
    assert champion() == "3"
    assert json.loads(tags()["champion.1"])["evidence"] is None


@pytest.mark.system
def test_a_running_service_follows_without_a_dropped_request(
    updated_store: Path, template: Path, updated_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(updated_store)
    record = example_patient(document_of(template / "good"))
    folders = {"champion": template / "champion", "good": template / "good",
               "update": updated_template / "update"}  # fmt: skip
    versions = {name: f"0.1.0+{document_of(path).digest}" for name, path in folders.items()}
    answers: list[httpx.Response] = []
    ended = threading.Event()

    def ask(url: httpx.URL) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not ended.is_set():
                answers.append(client.post("/predict", json=record))

    def wait_for(name: str) -> None:
        until = time.monotonic() + 60
        while answers[-1].json()["model"]["version"] != versions[name]:
            assert time.monotonic() < until, f"{name} did not take over"
            time.sleep(0.05)

    settings = {RELOAD_VARIABLE: "0.2"}
    with served(CHAMPION, updated_store, settings) as service:
        askers = [threading.Thread(target=ask, args=(service.client.base_url,)) for _ in range(3)]
        for asker in askers:
            asker.start()
        try:
            while not answers:
                time.sleep(0.05)
            wait_for("champion")
            for challenger in ("good", "update"):
                promote(challenge(folders[challenger]))
                wait_for(challenger)
                rollback(NAME)
                wait_for("champion")
        finally:
            ended.set()
            for asker in askers:
                asker.join()
    assert {answer.status_code for answer in answers} == {200}
    seen = [answer.json()["model"]["version"] for answer in answers]
    assert set(seen) == set(versions.values())
