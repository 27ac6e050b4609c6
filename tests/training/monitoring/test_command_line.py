"""`tms-response monitor` as cron calls it."""

from pathlib import Path

import pytest
from monitored_ledgers import day_asked, drawn_patients, write_ledger
from served_models import fit_predictor

from serving.predictor import ResponsePredictor
from serving.settings import LEDGER_VARIABLE
from tms_response import run
from training.monitoring.command_line import ALARM_EXIT_CODE


@pytest.fixture(scope="module")
def predictor() -> ResponsePredictor:
    return fit_predictor(drawn_patients(400, 5))


@pytest.fixture
def folder(tmp_path: Path, predictor: ResponsePredictor, monkeypatch: pytest.MonkeyPatch) -> Path:
    predictor.save(tmp_path / "model")
    monkeypatch.setenv(LEDGER_VARIABLE, f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    return tmp_path


@pytest.mark.parametrize(("shift", "code"), [(0.0, 0), (2.5, ALARM_EXIT_CODE)])
def test_the_exit_code_tells_of_alarms(
    folder: Path,
    predictor: ResponsePredictor,
    capsys: pytest.CaptureFixture[str],
    shift: float,
    code: int,
) -> None:
    write_ledger(
        f"sqlite:///{folder / 'ledger.sqlite'}", predictor, drawn_patients(60), shift=shift
    )
    page, gauges = folder / "m.html", folder / "m.prom"
    arguments = ["monitor", "--model", str(folder / "model"), "--out", str(page)]
    assert run([*arguments, "--metrics", str(gauges)]) == code
    said = capsys.readouterr().out
    assert ("alarm: More patients" in said) == bool(code)
    assert "60 predictions" in said
    assert page.is_file()
    assert "tms_response_monitor_alarms" in gauges.read_text(encoding="utf-8")


def test_charts_can_begin_anew(
    folder: Path, predictor: ResponsePredictor, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ledger(f"sqlite:///{folder / 'ledger.sqlite'}", predictor, drawn_patients(8))
    arguments = ["monitor", "--model", str(folder / "model"), "--out", str(folder / "m.html")]
    # Three are asked about on a day, the first two of all on the first one.
    assert run([*arguments, "--since", day_asked(2).isoformat()]) == 0
    assert "6 predictions, 6 outcomes" in capsys.readouterr().out
    assert run([*arguments, "--since", day_asked(11).isoformat()]) == 10
    assert "an earlier day with --since" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "metrics", "words"),
    [
        ("page.txt", "m.prom", "must end in .html"),
        ("page.html", "m.txt", "must end in .prom"),
        ("absent/page.html", "m.prom", "There is no folder"),
    ],
)
def test_files_that_cannot_be_written(
    folder: Path, capsys: pytest.CaptureFixture[str], out: str, metrics: str, words: str
) -> None:
    arguments = ["monitor", "--model", str(folder / "model"), "--out", str(folder / out)]
    assert run([*arguments, "--metrics", str(folder / metrics)]) == 2
    assert words in capsys.readouterr().err


def test_without_a_ledger(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(folder / "page.html")
    assert run(["monitor", "--model", str(folder / "model"), "--out", out]) == 11
    assert "There is no ledger" in capsys.readouterr().err
