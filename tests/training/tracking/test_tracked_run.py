"""A run in MLflow: complete, named, quiet, without patients, and closed as what it became."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tracked_runs import (
    evaluation_table,
    quiet_mlflow,
    tiny_predictor,
    training_patients,
    write_run_folder,
)

from data_schemas.errors import DataError, ModelError, ServiceError
from serving.champion import main
from serving.model_pointer import pointed_folder
from serving.predictor import ResponsePredictor
from serving.registry import aliased_version, resolve_model
from training.burden.summary import BurdenSummary
from training.config import load_config
from training.tracking.figures import burden_metrics, flat_parameters, headline_metrics
from training.tracking.registered_model import RegisteredVersion
from training.tracking.run_folder import git_commit
from training.tracking.store import open_client, tracking_uri
from training.tracking.tracked_run import track_run

REPOSITORY = Path(__file__).parents[3]

# A first run as a user's: a process of its own, a folder without a store, warnings as errors.
FIRST_RUN = """
import sys
sys.path[:0] = sys.argv[1:3]
calls = []
sys.addaudithook(lambda event, _: calls.append(event) if event == "socket.connect" else None)
from datetime import UTC, datetime
from pathlib import Path
from tracked_runs import write_run_folder
from training.burden.summary import BurdenSummary
from training.config import load_config
from training.tracking.tracked_run import track_run
folder = write_run_folder(Path("first"))
with track_run(load_config(), folder, datetime.now(UTC)) as tracked:
    tracked.log()
from mlflow.telemetry.utils import is_telemetry_disabled
assert is_telemetry_disabled()
assert not calls, calls
"""


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a folder with a store, made by a first run in it, and all that the run printed."""
    folder = tmp_path_factory.mktemp("store")
    hidden = ("MLFLOW", "PYTEST", "CI")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    paths = (str(REPOSITORY), str(REPOSITORY / "tests"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FIRST_RUN, *paths],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr


@pytest.fixture
def store(
    first_run: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Any]]:
    """Work in the folder of the first run; return what makes a client of its store."""
    monkeypatch.chdir(first_run[0])
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    with quiet_mlflow():
        yield open_client


def runs_of(client: Any) -> list[Any]:
    experiment = client.get_experiment_by_name("tms-response")
    return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"]))


def latest_status(client: Any) -> str:
    return str(runs_of(client)[-1].info.status)


def champion(client: Any) -> str:
    return str(client.get_model_version_by_alias("tms-response", "champion").version)


def test_a_run_prints_nothing_and_calls_nobody(first_run: tuple[Path, str]) -> None:
    assert first_run[1] == ""


def test_a_run_holds_settings_tags_and_headline_figures(store: Callable[[], Any]) -> None:
    run = runs_of(store())[0]
    assert (run.info.status, run.info.run_name) == ("FINISHED", "first")
    assert run.data.params == flat_parameters(load_config())
    expected = {
        "cohort": "made-up",
        "cohort_fingerprint": "f" * 64,
        "simulated": "true",
        "is_tms": "false",
        "outcome": "at least 50 % fall of the PHQ-9 total from baseline at end of treatment",
    }
    assert expected.items() <= run.data.tags.items()
    assert run.data.metrics == {
        **headline_metrics(evaluation_table(), "leave_one_site_out", "response"),
        "burden/treat_all/sessions_per_responder": 64,
        "burden/treat_all/sessions_per_responder_lower": 60,
    }


def test_headline_figures_leave_out_curves_single_sites_and_what_is_undefined() -> None:
    found = headline_metrics(evaluation_table(), "leave_one_site_out", "response")
    # The other outcome's figures stand under its own name, and change none of these.
    assert found["remission/lightgbm_both/auroc"] == 0.31
    assert {name: value for name, value in found.items() if not name.startswith("remission/")} == {
        "lightgbm_both/auroc": 0.62,
        "lightgbm_both/auroc_lower": 0.56,
        "lightgbm_both/auroc_upper": 0.68,
        "lightgbm_both/brier": 0.21,
        "lightgbm_both/brier_lower": 0.19,
        "lightgbm_both/brier_upper": 0.23,
        "base_rate/brier": 0.25,
        "base_rate/brier_lower": 0.25,
        "base_rate/brier_upper": 0.25,
        "lightgbm_both_minus_lightgbm_clinical/brier": 0.02,
        "lightgbm_both_minus_lightgbm_clinical/brier_lower": -0.01,
        "lightgbm_both_minus_lightgbm_clinical/brier_upper": 0.05,
    }


def test_a_run_without_sessions_has_no_figures_of_them() -> None:
    assert burden_metrics(None) == burden_metrics(BurdenSummary(why_absent="No plan.")) == {}


def test_settings_have_dotted_names() -> None:
    parameters = flat_parameters(load_config())
    assert parameters["seed"] == "7"
    assert parameters["outcome"] == "response"
    assert parameters["validation.folds"] == "5"
    assert json.loads(parameters["boosting.num_leaves"]) == [2, 4]


def test_tables_and_report_are_logged_and_patients_inputs_are_not(
    store: Callable[[], Any],
) -> None:
    client = store()
    run = runs_of(client)[0]
    logged = {each.path for each in client.list_artifacts(run.info.run_id)}
    tables = {"evaluation.csv", "out_of_fold.csv", "held_out.csv", "summary.json"}
    assert logged == {*tables, "report.html"}
    everything = {path.name for path in Path("mlartifacts").rglob("*")}
    assert {"booster.txt", "report.html"} <= everything
    assert "explanations.npz" not in everything


def test_the_run_file_says_where_everything_is(store: Callable[[], Any]) -> None:
    content = json.loads(Path("first", "run.json").read_text("utf-8"))
    where = ("tracking_uri", "mlflow_run", "registered_model", "alias")
    run_id = runs_of(store())[0].info.run_id
    expected = [
        f"sqlite:///{Path('mlflow.db').resolve()}",
        run_id,
        "models:/tms-response/1",
        "champion",
    ]
    assert [content[name] for name in where] == expected
    assert content["started"] <= content["finished"]
    assert Path(content["folder"]) == Path("first").resolve()


def test_the_champion_is_the_artefact_of_the_first_run(store: Callable[[], Any]) -> None:
    assert champion(store()) == "1"
    predictor = ResponsePredictor.load(resolve_model("models:/tms-response@champion"))
    assert predictor.document == tiny_predictor().document
    assert aliased_version("models:/tms-response@champion") == "models:/tms-response/1"
    with pytest.raises(ModelError, match="cannot be looked up"):
        aliased_version("models:/tms-response@nobody")


def test_the_champion_is_brought_to_a_folder_that_others_watch(
    store: Callable[[], Any], tmp_path: Path
) -> None:
    store()
    assert main(["models:/tms-response@champion", str(tmp_path), "--once"]) == 0
    found = pointed_folder(tmp_path / "current")
    assert found == tmp_path / "1"
    assert ResponsePredictor.load(found).document == tiny_predictor().document
    assert main(["models:/tms-response@nobody", str(tmp_path), "--once"]) == 12


def test_the_champion_loads_as_a_pyfunc(
    store: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store()
    import mlflow

    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
    model = mlflow.pyfunc.load_model("models:/tms-response@champion")
    import pandas as pd

    assert len(model.predict(pd.DataFrame(model.input_example))) == 1
    assert model.metadata.run_id == runs_of(store())[0].info.run_id


def test_a_later_version_is_registered_without_the_alias(
    store: Callable[[], Any], tmp_path: Path
) -> None:
    folder = write_run_folder(tmp_path / "later")
    with track_run(load_config(), folder, datetime.now(UTC)) as tracked:
        version = tracked.log()
    assert version == RegisteredVersion("tms-response", "2", None)
    assert version.uri == "models:/tms-response/2"
    assert champion(store()) == "1"
    assert latest_status(store()) == "FINISHED"


class TrainingError(Exception):
    """Something goes wrong while training."""


@pytest.mark.parametrize(
    ("error", "status"),
    [(TrainingError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")],
)
def test_a_run_that_does_not_finish_says_so(
    store: Callable[[], Any], tmp_path: Path, error: type[BaseException], status: str
) -> None:
    with pytest.raises(error), track_run(load_config(), tmp_path, datetime.now(UTC)):
        raise error
    assert latest_status(store()) == status


def test_a_run_that_is_told_to_terminate_is_killed(
    store: Callable[[], Any], tmp_path: Path
) -> None:
    with (
        pytest.raises(SystemExit) as caught,
        track_run(load_config(), tmp_path, datetime.now(UTC)),
    ):
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 143
    assert latest_status(store()) == "KILLED"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_an_unfinished_folder_is_not_logged(store: Callable[[], Any], tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path / "unfinished")
    (folder / "report.html").unlink()
    sentence = re.escape("holds no report.html")
    with (
        pytest.raises(DataError, match=sentence),
        track_run(load_config(), folder, datetime.now(UTC)) as tracked,
    ):
        tracked.log()
    assert latest_status(store()) == "FAILED"
    content = json.loads((folder / "run.json").read_text("utf-8"))
    assert "started" in content
    assert "finished" not in content


@pytest.mark.usefixtures("store")
def test_a_store_that_is_not_there_is_a_sentence_without_the_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://anna:hunter2@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    sentence = r"MLflow at http://127\.0\.0\.1:9 failed: .*Set MLFLOW_TRACKING_URI"
    with (
        pytest.raises(ServiceError, match=sentence) as caught,
        track_run(load_config(), tmp_path, datetime.now(UTC)),
    ):
        raise TrainingError
    assert "hunter2" not in str(caught.value)


def test_a_deleted_experiment_is_a_sentence(store: Callable[[], Any], tmp_path: Path) -> None:
    config = load_config()
    gone = config.tracking.model_copy(update={"experiment": "gone"})
    client = store()
    client.delete_experiment(client.create_experiment("gone"))
    with (
        pytest.raises(ServiceError, match="The experiment 'gone' was deleted"),
        track_run(config.model_copy(update={"tracking": gone}), tmp_path, datetime.now(UTC)),
    ):
        raise TrainingError


@pytest.mark.usefixtures("store")
def test_nothing_that_tracking_adds_is_a_training_patients_value() -> None:
    with sqlite3.connect("mlflow.db") as database:
        stored = list(database.iterdump())
    artefact = ("model.json", "booster.txt")  # percentiles and thresholds: see the tests of it
    stored += [
        path.read_text("utf-8")
        for path in Path("mlartifacts").rglob("*")
        if path.is_file() and path.name not in artefact
    ]
    text = "\n".join(stored)
    assert "lightgbm_both/auroc" in text
    ages = [patient.age_years for patient in training_patients() if patient.age_years is not None]
    assert len(ages) > 100
    assert not [row for row, age in enumerate(ages) if repr(age) in text]


def test_the_commit_is_that_of_a_checkout_which_tracks_the_file(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet")
    tracked, untracked = tmp_path / "tracked.py", tmp_path / "untracked.py"
    for file in (tracked, untracked):
        file.write_text("", "utf-8")
    git("add", "tracked.py")
    assert git_commit(tracked) is None
    git("commit", "--quiet", "--message", "first")
    assert git_commit(tracked) == git("log", "-1", "--format=%H")
    assert git_commit(untracked) is None
