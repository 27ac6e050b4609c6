"""The card on its way: from beside the cohort into the run, and on to MLflow."""

from pathlib import Path

import pytest
from small_study import Study

from data_schemas.card_text import CardText
from data_schemas.errors import ConfigurationError
from training.card.evidence import read_card_text
from training.run import train_cohort
from training.tracking.tracked_run import files_to_log

ROOT = Path(__file__).parents[3]


def test_a_mistake_in_the_owners_text_is_told_before_anything_is_done(tmp_path: Path) -> None:
    study = Study(tmp_path / "study").write()
    (study / "card.toml").write_text("[use]\nintended = 'x'", "utf-8")
    out = tmp_path / "run"
    with pytest.raises(ConfigurationError, match="Did you mean 'intended_use'"):
        train_cohort(study, out=out)
    assert not out.exists()


def test_text_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        read_card_text(tmp_path / "card.toml")


@pytest.mark.parametrize(
    "path",
    [
        "examples/ocd-ctbs-2023/card.toml",
        "examples/beat-the-blues/card.toml",
        "training/simulator/card.toml",
    ],
)
def test_the_examples_say_something_and_name_files_that_exist(path: str) -> None:
    text = read_card_text(ROOT / path)
    assert text != CardText()
    for words in filter(None, text.said().values()):
        named = [word.strip("().,:;") for word in words.split() if "/" in word]
        assert all((ROOT / name).exists() for name in named if not name.startswith("http")), words


def test_all_forms_of_the_card_go_to_mlflow(tmp_path: Path) -> None:
    names = ("card.html", "card.md", "card.json", "card.toml")
    assert not set(names) & set(files_to_log(tmp_path))
    for name in names:
        (tmp_path / name).touch()
    assert set(names) <= set(files_to_log(tmp_path))
