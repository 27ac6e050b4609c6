"""An alias of the registry is followed by one process, through a pointer that others read."""

from pathlib import Path

import pytest

from data_schemas.errors import ModelError
from serving import champion
from serving.champion import ChampionFollower, keep_store_in_place
from serving.model_pointer import pointed_folder
from serving.predictor import ResponsePredictor


def test_a_new_version_is_downloaded_once_and_pointed_to(
    predictor: ResponsePredictor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    versions = {"models:/m@champion": "models:/m/1"}
    asked: list[str] = []

    def resolve(reference: str) -> Path:
        asked.append(reference)
        folder = tmp_path / reference.rpartition("/")[2]
        predictor.save(folder)
        return folder

    monkeypatch.setattr(champion, "aliased_version", lambda reference: versions[reference])
    monkeypatch.setattr(champion, "resolve_model", resolve)
    pointer = tmp_path / "pointer"
    follower = ChampionFollower("models:/m@champion", pointer, 60)
    follower.look()
    follower.look()
    assert pointed_folder(pointer) == tmp_path / "1"
    versions["models:/m@champion"] = "models:/m/2"
    follower.look()
    assert pointed_folder(pointer) == tmp_path / "2"
    assert asked == ["models:/m/1", "models:/m/2"]

    def away(_: str) -> str:
        raise ModelError("The registry is away.")

    monkeypatch.setattr(champion, "aliased_version", away)
    follower.look()
    follower.look()
    assert pointed_folder(pointer) == tmp_path / "2"
    assert caplog.text.count("The registry is away.") == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, "sqlite:///{}/mlflow.db"),
        ("sqlite:///a/b.db", "sqlite:///{}/a/b.db"),
        ("sqlite:////srv/b.db", "sqlite:////srv/b.db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_a_store_in_the_working_directory_is_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, kept: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given or "")
    if given is None:
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
    keep_store_in_place()
    import os

    expected = kept.format(tmp_path)
    assert os.environ.get("MLFLOW_TRACKING_URI") == expected
