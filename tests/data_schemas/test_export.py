import json
from pathlib import Path

import pytest

from data_schemas.errors import ConfigurationError
from data_schemas.export import (
    END,
    ROOT,
    SCHEMAS,
    START,
    main,
    patient_field_table,
    stale_files,
    with_table,
)
from data_schemas.patient import Patient


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a README and nothing generated yet."""
    (tmp_path / "README.md").write_text(f"# Title\n\n{START}\nSTALE\n{END}\n\nAfter.\n")
    return tmp_path


def test_the_generated_files_of_this_repository_are_fresh() -> None:
    assert stale_files(ROOT) == [], "run `make schemas`"


def test_everything_is_stale_until_it_is_written(root: Path) -> None:
    expected = {"README.md", *(f"data_schemas/json/{name}.json" for name in SCHEMAS)}
    assert set(stale_files(root)) == expected
    assert main([], root) == 0
    assert stale_files(root) == []
    assert main(["--check"], root) == 0


def test_check_writes_nothing_and_names_what_is_stale(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], root) == 1
    said = capsys.readouterr().err
    assert "data_schemas/json/patient.json" in said
    assert "make schemas" in said
    assert not (root / "data_schemas").exists()
    assert "STALE" in (root / "README.md").read_text()


@pytest.mark.parametrize("name", ["data_schemas/json/patient.json", "README.md"])
def test_one_changed_character_is_noticed(root: Path, name: str) -> None:
    main([], root)
    path = root / name
    text = path.read_text()
    path.write_text(text.replace("Age at the first session", "Age at the last session", 1))
    assert stale_files(root) == [name]


def test_a_schema_of_no_model_is_noticed_and_deleted(root: Path) -> None:
    main([], root)
    left_over = root / "data_schemas" / "json" / "gone.json"
    left_over.write_text("{}\n")
    assert stale_files(root) == ["data_schemas/json/gone.json"]
    main([], root)
    assert not left_over.exists()


@pytest.mark.parametrize("text", ["", START, f"{END}{START}", f"{START}{END}{START}{END}"])
def test_a_readme_without_its_markers_is_refused_in_a_sentence(
    root: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigurationError, match="must hold the lines"):
        with_table(text)
    (root / "README.md").write_text(text)
    assert main(["--check"], root) == 1
    assert "README.md must hold the lines" in capsys.readouterr().err


def test_the_rest_of_the_readme_is_left_alone(root: Path) -> None:
    main([], root)
    text = (root / "README.md").read_text()
    assert text.startswith("# Title\n\n" + START)
    assert text.endswith(END + "\n\nAfter.\n")
    assert "STALE" not in text


def test_the_table_has_every_field_once_with_meaning_and_range() -> None:
    header, rule, *rows = patient_field_table().splitlines()
    assert header == "| Field | Unit | Range | Meaning | Source |"
    assert set(rule) == {"|", "-"}
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    assert [row[0].strip("` ") for row in cells] == list(Patient.model_fields)
    for row in cells:
        assert len(row) == 5
        assert row[2], row
        assert row[3], row
    assert "| `age_years` | years | 10 to 110 |" in patient_field_table()
    assert "| `sex` |  | female, male, other |" in patient_field_table()


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schemas_are_stable_text(root: Path, name: str) -> None:
    main([], root)
    text = (root / "data_schemas" / "json" / f"{name}.json").read_text()
    schema = json.loads(text)
    assert text == json.dumps(schema, indent=2, sort_keys=True) + "\n"
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(SCHEMAS[name].model_fields)
