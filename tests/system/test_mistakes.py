"""What a user can get wrong, by exit code and sentence, through the whole command."""

import socket
from pathlib import Path

import pytest

import tms_response

PATIENT = '[{"age_years": 7731.625, "sex": "Q7-planted"}]'


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Run a command that fails and return its exit code and what it says."""
    code = tms_response.run([str(each) for each in arguments])
    shown = capsys.readouterr()
    assert shown.err.count("error: ") == 1
    assert "Traceback" not in shown.err
    assert "fault of the program" not in shown.err
    return code, shown.err


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """A folder with the cohort.toml of the README and a table of two patients."""
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    spec = readme.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "cohort.toml").write_text(spec, "utf-8")
    (tmp_path / "patients.csv").write_text(
        "record_id,age,gender,n_failed,episode_weeks,clinic,hdrs_before,hdrs_after\n"
        "a,40,F,2,30,north,24,10\n"
        "b,50,M,3,40,north,22,20\n",
        "utf-8",
    )
    return tmp_path


def test_check_shows_bad_cells_by_row_and_exits_10(
    capsys: pytest.CaptureFixture[str], clinic: Path
) -> None:
    table = clinic / "patients.csv"
    table.write_text(table.read_text("utf-8").replace("b,50,M", "b,7731.625,Q7-planted"), "utf-8")
    assert tms_response.run(["check", str(clinic)]) == 10
    shown = capsys.readouterr()
    assert "row 3" in shown.out
    assert "7731" not in shown.out + shown.err
    assert "Q7-planted" not in shown.out + shown.err


def test_an_unknown_key_of_the_cohort(capsys: pytest.CaptureFixture[str], clinic: Path) -> None:
    spec = clinic / "cohort.toml"
    spec.write_text(spec.read_text("utf-8").replace("failed_trials =", "failed_trails ="), "utf-8")
    code, said = fails(capsys, "train", clinic, "--out", clinic / "run")
    assert code == 11
    assert "failed_trials" in said


def test_an_unknown_setting(capsys: pytest.CaptureFixture[str], clinic: Path) -> None:
    config = clinic / "settings.toml"
    config.write_text("[validation]\nbootstrap = 100\n", "utf-8")
    code, said = fails(capsys, "train", clinic, "--config", config, "--out", clinic / "run")
    assert code == 11
    assert "bootstraps" in said


def test_a_run_that_would_overwrite_another(
    capsys: pytest.CaptureFixture[str], clinic: Path
) -> None:
    code, said = fails(capsys, "train", clinic, "--out", clinic)
    assert code == 2
    assert "--out" in said


def test_a_simulation_into_a_folder_in_use(
    capsys: pytest.CaptureFixture[str], clinic: Path
) -> None:
    code, _ = fails(capsys, "simulate", clinic, "--patients", 40, "--sites", 2)
    assert code == 2
    assert (clinic / "patients.csv").is_file()


@pytest.mark.parametrize("command", [("serve", "--model"), ("predict",)])
def test_a_model_that_is_not_there(
    capsys: pytest.CaptureFixture[str], clinic: Path, command: tuple[str, ...]
) -> None:
    patients = ["patients.json"] if command == ("predict",) else []
    code, said = fails(capsys, *command, clinic / "no_model", *patients)
    assert code == 12
    assert "no_model" in said


def test_a_model_of_another_store(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    code, said = fails(capsys, "serve")
    assert code == 12
    assert "Train a model first" in said


def test_a_report_of_no_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, said = fails(capsys, "report", tmp_path)
    assert code == 10
    assert "not the folder of a finished run" in said


def test_a_port_in_use(capsys: pytest.CaptureFixture[str], model_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = fails(capsys, "serve", "--model", model_folder, "--port", port)
    assert code == 13
    assert "--port" in said


@pytest.mark.parametrize("name", ["patients.json", "patients.csv"])
def test_a_patient_who_breaks_a_rule(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model_folder: Path, name: str
) -> None:
    table = "age_years,sex\n7731.625,Q7-planted\n"
    (tmp_path / name).write_text(PATIENT if name.endswith("json") else table, "utf-8")
    out = tmp_path / "answers.csv"
    code, said = fails(capsys, "predict", model_folder, tmp_path / name, "--out", out)
    assert code == 10
    assert "age_years" in said
    assert "7731" not in said
    assert "Q7-planted" not in said
    assert not out.exists()


def test_predictions_of_an_unknown_kind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model_folder: Path
) -> None:
    code, said = fails(capsys, "predict", model_folder, "p.json", "--out", tmp_path / "out.docx")
    assert code == 2
    assert ".csv" in said


def test_a_course_that_the_cohort_does_not_name(
    capsys: pytest.CaptureFixture[str], clinic: Path
) -> None:
    code, said = fails(capsys, "train", clinic, "--course", "--out", clinic / "run")
    assert code == 11
    assert "no section [course]" in said
    assert not (clinic / "run").exists()
