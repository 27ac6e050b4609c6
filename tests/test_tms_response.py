"""The command line: what it offers, and how it ends when something is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tms_response
from data_schemas.errors import (
    ConfigurationError,
    DataError,
    FieldProblem,
    ModelError,
    ServiceError,
    TmsResponseError,
    UsageError,
)

ROOT = Path(__file__).parent.parent
COMMANDS = {
    "simulate": ("out", "--patients", "--sites", "--scenario", "--seed"),
    "check": ("cohort", "--data"),
    "train": ("cohort", "--data", "--config", "--out", "--engine", "--resume", "--strict"),
    "plan": ("--parameters", "--prevalence", "--auc", "--patients", "--sites", "--external"),
    "predict": ("model", "patients", "--out"),
    "explain": ("model", "patient", "--out", "--row"),
    "adapt": ("model", "cohort", "--out", "--site", "--data"),
    "report": ("run",),
    "serve": ("--model", "--host", "--port", "--workers", "--no-access"),
    "monitor": ("--model", "--out", "--metrics", "--outcomes-per-year", "--window"),
    "update": ("model", "--out", "--place", "--cohort", "--estimate", "--apply"),
    "promote": ("run", "--override", "--cohort", "--data"),
    "rollback": ("name", "--why"),
    "ledger": ("export", "delete", "purge"),
    "key": ("new", "list", "revoke"),
}
PLANTED = "Q7-planted-value"


def ends_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command whose work ends with `error` and return the exit code."""

    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr("training.cohort.check.check_cohort", fail)
    return tms_response.run(["check", "anywhere"])


def python(code: str, stdout: int) -> "subprocess.CompletedProcess[str]":
    """Run code in a fresh process."""
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
    )


@pytest.mark.parametrize(("command", "words"), COMMANDS.items())
def test_every_command_explains_itself(
    command: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tms_response.run([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert [word for word in words if word not in shown] == []


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_program_lists_its_commands(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tms_response.run(arguments) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.strip().splitlines()] == list(COMMANDS)


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert tms_response.run(["--version"]) == 0
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'version = "{capsys.readouterr().out.strip()}"' in project


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "Did you mean 'train'?"),
        (["train"], "cohort"),
        (["train", "folder", "--seeds", "3"], "--seeds"),
        (["train", "folder", "--engine", "abacus"], "dask=ADDRESS"),
        (["train", "folder", "--engine", "dask="], "dask=ADDRESS"),
        (["simulate", "folder", "--scenario", "strong"], "'optimistic'"),
        (["simulate", "folder", "--patients", "many"], "--patients"),
        (["serve", "--port", "99999"], "65535"),
        (["serve", "--workers", "0"], "--workers"),
        (["serve", "--no-access", "--host", "0.0.0.0"], "127.0.0.1"),  # noqa: S104
        (["key", "new"], "--scope"),
        (["key", "new", "--scope", "predictions"], "Did you mean 'predict'?"),
        (["key", "revoke", "0a0a0a0a"], "allowed: none"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exits_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tms_response.run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert said in shown.err
    assert len(shown.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (TmsResponseError, 1),
        (UsageError, 2),
        (DataError, 10),
        (ConfigurationError, 11),
        (ModelError, 12),
        (ServiceError, 13),
    ],
)
def test_each_kind_of_mistake_has_its_exit_code(
    kind: type[TmsResponseError],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    problem = FieldProblem("age_years", "is out of range", "18 to 100", row=7)
    assert ends_with(kind("The table cannot be used.", [problem]), monkeypatch) == code
    assert capsys.readouterr().err == (
        "error: The table cannot be used.\n"
        "  - row 7, age_years: is out of range (allowed: 18 to 100)\n"
    )


def test_a_fault_of_the_program_shows_where_and_nothing_of_the_patient(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(tms_response.TRACEBACK_VARIABLE, raising=False)
    fault = ValueError(f"could not convert {PLANTED}")
    fault.__cause__ = KeyError(PLANTED)
    assert ends_with(fault, monkeypatch) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("error: The program failed (ValueError in test_tms_response.py")
    assert tms_response.TRACEBACK_VARIABLE in shown.err
    assert "Traceback" not in shown.err
    assert PLANTED not in shown.err + shown.out


def test_the_traceback_is_there_for_who_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(tms_response.TRACEBACK_VARIABLE, "1")
    assert ends_with(ValueError("odd"), monkeypatch) == 1
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "ValueError: odd" in shown


def test_a_file_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(tms_response.TRACEBACK_VARIABLE, raising=False)
    assert ends_with(PermissionError(13, "Permission denied", "/sealed/run"), monkeypatch) == 1
    assert capsys.readouterr().err.startswith("error: /sealed/run: Permission denied.")


def test_an_interruption_is_quiet_and_exits_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with(KeyboardInterrupt(), monkeypatch) == 130
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""


def test_a_reader_who_leaves_early_causes_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    done = python("import tms_response; tms_response.main()", stdout=write)
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 1


def test_help_loads_none_of_the_heavy_libraries() -> None:
    done = python(
        "import sys, tms_response\n"
        "tms_response.run(['train', '--help'])\n"
        "heavy = {'numpy', 'pandas', 'lightgbm', 'mlflow', 'sklearn', 'shap', 'bentoml'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)",
        stdout=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stderr) == (0, "")
