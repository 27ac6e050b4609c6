"""`python -m data_schemas.export` writes the JSON Schemas and the field table of the README.

With `--check` it writes nothing, names what is stale and exits 1 if anything is.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from data_schemas.card_text import CardText
from data_schemas.cohort import CohortSpec
from data_schemas.connectome import Connectome
from data_schemas.connectome_summary import ConnectomeSummary
from data_schemas.course import Course
from data_schemas.errors import ConfigurationError, TmsResponseError
from data_schemas.filled_card import FilledCard
from data_schemas.instruments import Instrument
from data_schemas.outcome import Outcome, OutcomeDefinition
from data_schemas.outcome_report import OutcomeReport
from data_schemas.patient import Patient
from data_schemas.prediction import ErrorBody, Prediction

ROOT = Path(__file__).parent.parent
START = "<!-- patient-fields:start -->"
END = "<!-- patient-fields:end -->"

# Ranges that depend on another field, so that no schema of a single field can hold them.
_RANGES_ELSEWHERE = {
    "depression_instrument": "a name from the meaning",
    "depression_total": "range of its instrument",
    "depression_items": "range of each item",
    "anxiety_instrument": "a name from the meaning",
    "anxiety_total": "range of its instrument",
    "connectome": "data_schemas/json/connectome.json",
    "connectome_summary": "data_schemas/json/connectome_summary.json",
    "extra": "as declared",
}

SCHEMAS: dict[str, type[BaseModel]] = {
    "card_text": CardText,
    "cohort_spec": CohortSpec,
    "connectome": Connectome,
    "connectome_summary": ConnectomeSummary,
    "course": Course,
    "error": ErrorBody,
    "filled_card": FilledCard,
    "instrument": Instrument,
    "outcome": Outcome,
    "outcome_definition": OutcomeDefinition,
    "outcome_report": OutcomeReport,
    "patient": Patient,
    "prediction": Prediction,
}


def schema_text(model: type[BaseModel]) -> str:
    """Return a JSON Schema as text: keys sorted, a newline at the end."""
    return json.dumps(model.model_json_schema(), indent=2, sort_keys=True) + "\n"


def patient_field_table() -> str:
    """Return the fields of a Patient as a Markdown table."""
    lines = ["| Field | Unit | Range | Meaning | Source |", "|---|---|---|---|---|"]
    for name, field in Patient.model_json_schema()["properties"].items():
        cells = (
            f"`{name}`",
            field.get("unit", ""),
            _RANGES_ELSEWHERE.get(name) or _range(field),
            field.get("description", ""),
            field.get("source", ""),
        )
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _range(field: dict[str, Any]) -> str:
    """Return what a field may hold, in words."""
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    kind = kinds[0]
    if "enum" in kind:
        return ", ".join(kind["enum"])
    if kind.get("type") == "boolean":
        return "true, false"
    if "prefixItems" in kind:
        return _range(kind["prefixItems"][0]) + " each"
    if "minimum" in kind and "maximum" in kind:
        return f"{kind['minimum']:g} to {kind['maximum']:g}"
    if "maxLength" in kind:
        return f"{kind.get('minLength', 0)} to {kind['maxLength']} characters"
    return ""


def with_table(readme: str) -> str:
    """Return the README with a fresh field table between its markers.

    Raises
    ------
    ConfigurationError
        When the markers are not there, once each and in order.
    """
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end or START in rest or END in after:
        raise ConfigurationError(
            f"README.md must hold the lines '{START}' and '{END}' once each, in this order; the "
            "field table goes between them."
        )
    return f"{before}{START}\n{patient_field_table()}\n{END}{after}"


def fresh_files(root: Path) -> dict[Path, str]:
    """Return every generated file with the content it should have.

    Raises
    ------
    ConfigurationError
        When the README lacks its markers.
    """
    folder = root / "data_schemas" / "json"
    files = {folder / f"{name}.json": schema_text(model) for name, model in SCHEMAS.items()}
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    return {**files, readme: with_table(text)}


def stale_files(root: Path) -> list[str]:
    """Return the generated files that are missing, differ, or belong to no schema any more."""
    fresh = fresh_files(root)
    folder = root / "data_schemas" / "json"
    stale = [
        path
        for path, text in fresh.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    left_over = [path for path in folder.glob("*.json") if path not in fresh]
    return sorted(path.relative_to(root).as_posix() for path in [*stale, *left_over])


def write_files(root: Path) -> None:
    """Write every generated file, and delete schemas that are no longer exported."""
    fresh = fresh_files(root)
    folder = root / "data_schemas" / "json"
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in fresh.items():
        path.write_text(text, encoding="utf-8")
    for path in folder.glob("*.json"):
        if path not in fresh:
            path.unlink()


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the generated files, or check them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m data_schemas.export", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    wants_check = parser.parse_args(arguments).check
    try:
        if not wants_check:
            write_files(root)
            return 0
        stale = stale_files(root)
    except TmsResponseError as error:
        print(error, file=sys.stderr)
        return 1
    if stale:
        print(f"Stale: {', '.join(stale)}. Run `make schemas`.", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
