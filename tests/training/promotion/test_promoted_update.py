"""An update on local outcomes as a challenger: registered, judged apart, promoted, taken back."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from promoted_runs import CHAMPION, NAME, champion, document_of

import tms_response
from serving.predictor import ResponsePredictor
from serving.settings import LEDGER_VARIABLE
from training.promotion.comparison import AUROC, BRIER
from training.promotion.judged_update import UPDATE_FILE, JudgedUpdate
from training.promotion.promote import challenge
from training.promotion.succession import Reign
from training.tracking.store import open_client, plain_mlflow

pytestmark = pytest.mark.usefixtures("updated_store")


def command(*arguments: object) -> int:
    return tms_response.run([str(each) for each in arguments])


def test_the_registry_knows_the_update_and_no_patient(
    template: Path, updated_template: Path
) -> None:
    judged = JudgedUpdate.load(updated_template / "update" / UPDATE_FILE)
    with plain_mlflow():
        version = open_client().get_model_version(NAME, "4")
        run_id = str(version.run_id)
        run = open_client().get_run(run_id)
        logged = [each.path for each in open_client().list_artifacts(run_id)]
    assert version.tags == {
        "model_digest": document_of(updated_template / "update").digest,
        "update.parent_version": "1",
        "update.parents": f"0.1.0+{document_of(template / 'champion').digest}",
        "update.method": "recalibration in the large",
        "update.place": "Clinic A",
        "update.n_patients": str(judged.update.n_patients),
        "update.n_events": str(judged.update.n_events),
        "update.outcomes_fingerprint": judged.update.fingerprint,
    }
    assert run.info.status == "FINISHED"
    assert logged == [UPDATE_FILE]
    assert champion() == "1"


def test_an_update_is_promoted_by_its_evidence_and_taken_back(
    updated_template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = updated_template / "update"
    assert command("promote", folder) == 0
    assert "estimated without the patient" in " ".join(capsys.readouterr().out.split())
    assert champion() == "4"
    with plain_mlflow():
        tags = open_client().get_registered_model(NAME).tags
    reign = Reign.model_validate_json(tags["champion.2"])
    assert (reign.how, reign.version, reign.against) == ("promotion", "4", ())
    assert reign.evidence == JudgedUpdate.load(folder / UPDATE_FILE).evidence.as_json()
    assert command("rollback") == 0
    assert champion() == "1"


def test_the_centre_registers_what_a_hospital_estimated(
    updated_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LEDGER_VARIABLE, "sqlite:////nowhere/ledger.db")
    file, out = updated_template / "update" / UPDATE_FILE, tmp_path / "update"
    assert command("update", CHAMPION, "--apply", file, "--register", "--out", out) == 0
    assert (out / UPDATE_FILE).read_bytes() == file.read_bytes()
    found = challenge(out)
    assert (found.version, found.reasons) == ("5", ())


def test_an_update_of_another_model_than_the_champion_is_refused(
    template: Path, updated_template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("promote", template / "good") == 0
    assert command("promote", updated_template / "update") == 14
    assert "update the champion itself" in capsys.readouterr().err
    assert champion() == "2"


def test_what_speaks_against_an_update_is_told(
    updated_template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(updated_template / "update", tmp_path / "update")
    judged = JudgedUpdate.load(folder / UPDATE_FILE)
    own = {each.metric: each for each in judged.evidence.compared}
    compared = (
        replace(own[BRIER], difference=0.01, lower=0.005, upper=0.02),
        replace(own[AUROC], challenger=0.93),
    )
    evidence = replace(judged.evidence, compared=compared)
    judged.model_copy(update={"evidence": evidence}).save(folder / UPDATE_FILE)
    assert command("promote", folder) == 14
    said = capsys.readouterr().err
    assert "Brier score is higher by more than chance" in said
    assert "TMS006" in said
    assert command("promote", folder, "--override", "The level is what matters here.") == 0
    assert champion() == "4"


def test_only_what_is_registered_has_challengers(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("update", CHAMPION, "--register", "--estimate", tmp_path / "u.json") == 2
    assert "--register needs --out" in capsys.readouterr().err
    copied = tmp_path / "model"
    ResponsePredictor.load(template / "champion" / "model").save(copied)
    assert command("update", copied, "--register", "--out", tmp_path / "new") == 2
    assert "under which name" in capsys.readouterr().err
    # A run's folder says where its model is registered.
    assert command("update", template / "good", "--register", "--out", tmp_path / "new") == 10
    assert "The ledger holds no prediction of model version" in capsys.readouterr().err
