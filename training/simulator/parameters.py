"""The parameters of the simulated cohort: read from `parameters.toml` and checked.

In the file every parameter carries its evidence and its source; `parameter_rows` lists them for
the documents. In code they are plain values in typed sections.
"""

import hashlib
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self, get_args

from pydantic import Field, ValidationError, model_validator

from data_schemas.errors import (
    ConfigurationError,
    FieldProblem,
    UsageError,
    did_you_mean,
    field_problems,
)
from training.simulator import parameter_sections as sections

DEFAULT_PARAMETERS: Final = Path(__file__).parent / "parameters.toml"
Evidence = Literal["published", "judgement", "assumption"]
_SOURCED = {"value", "evidence", "source"}


class SimulatorParameters(sections.Section):
    """Everything in `parameters.toml`, and the SHA-256 of the file."""

    schema_version: Literal[1] = Field(alias="schema")
    scenarios: dict[sections.ScenarioName, sections.Scenario]
    effects: sections.Effects
    site_effects: sections.SiteEffects
    improvement: sections.Improvement
    correlations: sections.Correlations
    prevalence: sections.Prevalence
    measurement: sections.Measurement
    other_columns: sections.OtherColumns
    profiles: dict[str, sections.Profile]
    roster: sections.Roster
    missing: sections.Missing
    course: sections.Course
    scans: sections.Scans
    matrices: sections.Matrices
    sha256: str

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        if absent := set(sections.SCENARIOS) - set(self.scenarios):
            raise ValueError(f"scenarios lacks {', '.join(sorted(absent))}")
        if unknown := set(self.roster.profile) - set(self.profiles):
            raise ValueError(f"roster.profile names {', '.join(sorted(unknown))}, not a profile")
        return self

    def scenario(self, name: str) -> sections.Scenario:
        """Return a scenario by name.

        Raises
        ------
        UsageError
            Naming the allowed scenarios and the nearest match.
        """
        for known, scenario in self.scenarios.items():
            if known == name:
                return scenario
        raise UsageError(
            f"There is no scenario '{name}'.{did_you_mean(name, sections.SCENARIOS)} "
            f"Allowed: {', '.join(sections.SCENARIOS)}."
        )


class ParameterRow(NamedTuple):
    """One parameter as the documents list it."""

    key: str
    value: object
    evidence: str
    source: str


def load_parameters(path: Path = DEFAULT_PARAMETERS) -> SimulatorParameters:
    """Read the parameters of the simulator.

    Raises
    ------
    ConfigurationError
        Naming every parameter without a source, unknown, absent or out of range.
    """
    return _load(path)


def parameter_rows(path: Path = DEFAULT_PARAMETERS) -> list[ParameterRow]:
    """Return every parameter with its evidence and source, in the order of the file."""
    return [
        ParameterRow(key, leaf["value"], leaf["evidence"], leaf["source"])
        for key, leaf in _leaves(_read(path)[0])
    ]


@cache
def _load(path: Path) -> SimulatorParameters:
    document, digest = _read(path)
    problems = [problem for key, leaf in _leaves(document) for problem in _unsourced(key, leaf)]
    if problems:
        raise ConfigurationError(f"{path.name} must name a source for each value.", problems)
    given = _values(document)
    general = given.get("profiles", {}).get("general", {})
    profiles = {name: {**general, **profile} for name, profile in given.get("profiles", {}).items()}
    try:
        return SimulatorParameters.model_validate({**given, "profiles": profiles, "sha256": digest})
    except ValidationError as error:
        raise ConfigurationError(
            f"{path.name} does not hold the simulator's parameters.",
            field_problems(error, SimulatorParameters),
        ) from None


def _read(path: Path) -> tuple[dict[str, Any], str]:
    content = path.read_bytes()
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name} is not valid TOML: {error}.") from None
    return document, hashlib.sha256(content).hexdigest()


def _leaves(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the entries below the sections, which are the parameters."""
    for key, entry in document.items():
        where = f"{prefix}{key}"
        if isinstance(entry, dict) and not _SOURCED & set(entry):
            yield from _leaves(entry, f"{where}.")
        elif prefix:
            yield where, entry


def _unsourced(key: str, leaf: Any) -> Iterator[FieldProblem]:  # noqa: ANN401
    if not isinstance(leaf, dict) or set(leaf) != _SOURCED:
        yield FieldProblem(key, "needs exactly: value, evidence, source")
    elif leaf["evidence"] not in get_args(Evidence):
        yield FieldProblem(key, "has an unknown evidence", ", ".join(get_args(Evidence)))
    elif not str(leaf["source"]).strip():
        yield FieldProblem(key, "has an empty source")


def _values(entry: Any) -> Any:  # noqa: ANN401
    if not isinstance(entry, dict):
        return entry
    if set(entry) == _SOURCED:
        return entry["value"]
    return {key: _values(nested) for key, nested in entry.items()}
