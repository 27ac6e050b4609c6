"""No setting is left for a worker to fail by, again and again: each is read before one starts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from data_schemas.errors import TmsResponseError
from serving import settings
from serving.checked_settings import check_settings, ended_with_a_sentence
from serving.fhir.settings import BASE_VARIABLE, RECENCY_VARIABLE, SOURCE_VARIABLE
from serving.predictor import ResponsePredictor

ROOT = Path(__file__).resolve().parents[2]
WRONG = {
    settings.MODEL_VARIABLE: ["/nowhere"],
    settings.WORKERS_VARIABLE: ["two"],
    settings.LEDGER_VARIABLE: ["nonsense", "mysql://ledger@db/tms"],
    settings.KEY_VARIABLE: ["short"],
    settings.KEY_FILE_VARIABLE: ["/nowhere"],
    settings.ACCESS_VARIABLE: ["off"],
    settings.KEYS_VARIABLE: ["/"],
    settings.TOKENS_VARIABLE: ["/nowhere"],
    settings.CORS_VARIABLE: ["*", "ehr.example.org"],
    settings.LOG_REQUESTS_VARIABLE: ["yes"],
    settings.RELOAD_VARIABLE: ["soon"],
    settings.RATE_VARIABLE: ["many"],
    settings.SECONDS_VARIABLE: ["0"],
    BASE_VARIABLE: ["nonsense"],
    RECENCY_VARIABLE: ["abc", "0"],
}
# The outbox is opened with PostgreSQL alone; a card may name any source.
NEVER_WRONG = {settings.OUTBOX_VARIABLE, SOURCE_VARIABLE}


@pytest.fixture(autouse=True)
def _usable(predictor: ResponsePredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of which only the one that a test changes is wrong."""
    for name in WRONG.keys() | NEVER_WRONG:
        monkeypatch.delenv(name, raising=False)
    predictor.save(tmp_path / "model")
    monkeypatch.setenv(settings.MODEL_VARIABLE, str(tmp_path / "model"))
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


def test_every_variable_of_the_service_is_tried_here() -> None:
    sources = (file.read_text("utf-8") for file in (ROOT / "serving").rglob("*.py"))
    named = re.findall(r'= "(TMS_RESPONSE_[A-Z_]+)"', "\n".join(sources))
    assert sorted(named) == sorted(WRONG.keys() | NEVER_WRONG)


def test_what_is_set_well_passes(tmp_path: Path) -> None:
    check_settings()
    assert (tmp_path / "tms-response" / "ledger.db").exists()


@pytest.mark.parametrize(
    ("variable", "given"), [(name, each) for name, wrong in WRONG.items() for each in wrong]
)
def test_what_is_set_wrong_ends_the_process_with_a_sentence(
    variable: str, given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, given)
    with pytest.raises(TmsResponseError) as refused:
        check_settings()
    with pytest.raises(SystemExit) as ended, ended_with_a_sentence():
        check_settings()
    model_is_wrong = variable == settings.MODEL_VARIABLE
    assert ended.value.code == (12 if model_is_wrong else 11)
    assert capsys.readouterr().err == f"{refused.value}\n"


@pytest.mark.system
def test_what_bentoml_reads_before_is_refused_as_well() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", "serving.service:TmsResponseService"],
        cwd=ROOT, env={**os.environ, settings.LOG_REQUESTS_VARIABLE: "yes"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (11, "TMS_RESPONSE_LOG_REQUESTS must be 0 or 1.\n")
