"""`tms-response explain`: one patient of a file, one private page, nothing elsewhere."""

import json
import logging
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tracked_runs import made_up_patients, tiny_predictor

import tms_response


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_predictor().save(folder)
    return folder


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    path = tmp_path / "patients.json"
    records = [
        {**json.loads(each.model_dump_json(exclude_defaults=True)), "id": f"Q7-planted-{number}"}
        for number, each in enumerate(made_up_patients(3))
    ]
    path.write_text(json.dumps(records), "utf-8")
    return path


def explain(model: Path, patients: Path, out: Path, *more: object) -> int:
    arguments = ["explain", model, patients, "--out", out, *more]
    return tms_response.run([str(each) for each in arguments])


def test_the_page_is_private_and_the_only_trace(
    model: Path, patients: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    out = tmp_path / "patient.html"
    out.write_text("before", "utf-8")
    out.chmod(0o644)
    caplog.set_level(logging.DEBUG)
    assert explain(model, patients, out, "--row", 2) == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "<!DOCTYPE html>" in out.read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["patient.html", "patients.json"]
    said = capsys.readouterr()
    assert str(out) in said.out
    # Neither who it is nor what is known of them.
    assert "planted" not in out.read_text("utf-8") + said.out + said.err + caplog.text
    age = made_up_patients(3)[1].age_years
    assert age is None or f"{age:.4g}" not in said.out + said.err + caplog.text


def test_rows_are_different_patients(model: Path, patients: Path, tmp_path: Path) -> None:
    pages = []
    for row in (1, 2, 3):
        assert explain(model, patients, tmp_path / "patient.html", "--row", row) == 0
        page = (tmp_path / "patient.html").read_text("utf-8")
        pages.append(page[page.index("What the model was told") : page.index("Unknown:")])
    assert len(set(pages)) == 3


@pytest.mark.parametrize(
    ("name", "more", "code", "words"),
    [
        ("patient.html", [], 2, "choose one with --row 1 to 3"),
        ("patient.html", ["--row", 4], 2, "patients are 1 to 3"),
        ("patient.html", ["--row", 0], 2, "--row"),
        ("patient.pdf", ["--row", 1], 2, "ending in .html"),
        ("nowhere/patient.html", ["--row", 1], 2, "no folder"),
    ],
)
def test_what_cannot_be_written_is_said(
    model: Path, patients: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    name: str, more: list[object], code: int, words: str,
) -> None:  # fmt: skip
    assert explain(model, patients, tmp_path / name, *more) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_a_page_that_cannot_be_finished_leaves_nothing(
    model: Path, patients: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("full")

    replaced: Callable[..., None] = fail
    monkeypatch.setattr(Path, "replace", replaced)
    assert explain(model, patients, tmp_path / "patient.html", "--row", 1) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["patients.json"]
