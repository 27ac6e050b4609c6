"""The model of the moment: a folder, a link or a file that names one."""

from pathlib import Path

import pytest

from data_schemas.errors import ModelError
from serving.model_pointer import point_to, pointed_folder, stamp_of
from serving.predictor import ResponsePredictor


@pytest.fixture
def folder(predictor: ResponsePredictor, tmp_path: Path) -> Path:
    predictor.save(tmp_path / "run" / "model")
    return tmp_path / "run" / "model"


def test_all_forms_name_the_same_folder(folder: Path, tmp_path: Path) -> None:
    link, pointer, relative = (tmp_path / name for name in ("link", "pointer", "relative"))
    link.symlink_to(folder.parent)
    point_to(pointer, folder)
    relative.write_text("run/model\n")
    stamps = {stamp_of(source) for source in (folder, folder.parent, link, pointer, relative)}
    assert {pointed_folder(source) for source in (folder, link, pointer, relative)} == {folder}
    assert len(stamps) == 1


def test_a_stamp_changes_with_the_target_and_with_the_model(
    folder: Path, tmp_path: Path, predictor: ResponsePredictor
) -> None:
    pointer = tmp_path / "pointer"
    point_to(pointer, folder)
    first = stamp_of(pointer)[1]
    predictor.save(tmp_path / "other")
    point_to(pointer, tmp_path / "other")
    second = stamp_of(pointer)[1]
    (tmp_path / "other" / "model.json").write_text("{}")
    assert len({first, second, stamp_of(pointer)[1]}) == 3


@pytest.mark.parametrize("content", [b"", b"absent\n", b"\xff\xfe", b"x" * 5000])
def test_a_pointer_to_nothing_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    pointer = tmp_path / "pointer"
    pointer.write_bytes(content)
    with pytest.raises(ModelError, match="does not hold the path"):
        pointed_folder(pointer)


def test_a_folder_without_a_model_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model\.json"):
        pointed_folder(tmp_path)
    with pytest.raises(ModelError, match="no model folder"):
        pointed_folder(tmp_path / "absent")
