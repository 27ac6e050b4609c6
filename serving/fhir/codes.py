"""The mapping tables `codes.toml` and `medications.toml`, read once, by system and code."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from data_schemas.instruments import get_instrument

_TABLES: Final = [Path(__file__).with_name(name) for name in ("codes.toml", "medications.toml")]
_STRICT = ConfigDict(frozen=True, extra="forbid")
_ATC_SUBSTANCE: Final = re.compile(r"[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}")

# A score has no unit; UCUM writes it as an annotation or as 1.
SCORE_UNITS: Final = {"{score}": 1.0, "1": 1.0}


class Systems(BaseModel):
    """URIs of the code systems."""

    model_config = _STRICT

    loinc: str
    ucum: str
    atc: str
    rxnorm: str
    cpt: str
    icd10: tuple[str, ...]


class _Coded(BaseModel):
    model_config = _STRICT

    loinc: str | None = None
    local: str | None = None
    source: str


class Total(_Coded):
    """The total of one instrument, and its items where they are known."""

    instrument: str
    items: tuple[str, ...] = ()
    suicidal_item: str | None = None
    answers: dict[str, int] = Field(default_factory=dict)

    @property
    def domain(self) -> Literal["depression", "anxiety"]:
        """Which of the two totals of a Patient it fills."""
        return "anxiety" if get_instrument(self.instrument).domain == "anxiety" else "depression"


class Measure(_Coded):
    """One other measurement."""

    field: str
    kind: Literal["number", "whole", "yes_no", "choice"]
    recent: bool = False
    units: dict[str, float] = Field(default_factory=dict)
    values: tuple[str, ...] = ()


class Diagnosis(BaseModel):
    """What a diagnosis says of a Patient."""

    model_config = _STRICT

    codes: tuple[str, ...]
    sets: dict[str, str | bool]
    source: str


class MedicationClass(BaseModel):
    """The classes of ATC and the ingredients of RxNorm behind one yes-or-no field."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    field: str
    classes: tuple[str, ...]
    excluded: tuple[str, ...] = Field(default=(), alias="except")
    rxnorm: tuple[str, ...] = ()
    source: str

    def holds(self, code: str) -> bool:
        """Return whether a class or substance of ATC lies within."""
        return any(_within(code, each) for each in self.classes) and not any(
            _within(code, each) for each in self.excluded
        )


def _within(code: str, atc_class: str) -> bool:
    """Return whether a code is a class, or a whole substance code below it."""
    if code == atc_class:
        return True
    return code.startswith(atc_class) and _ATC_SUBSTANCE.fullmatch(code) is not None


class TmsCodes(BaseModel):
    """Procedures that are a session of TMS."""

    model_config = _STRICT

    codes: tuple[str, ...]
    source: str


class CodeTable(BaseModel):
    """The whole table."""

    model_config = _STRICT

    systems: Systems
    totals: tuple[Total, ...]
    measures: tuple[Measure, ...]
    diagnoses: tuple[Diagnosis, ...]
    medications: tuple[MedicationClass, ...]
    tms: TmsCodes

    def local_codes(self) -> dict[str, str]:
        """Return code -> meaning of the local CodeSystem."""
        totals = {
            each.local: f"{get_instrument(each.instrument).full_name}: total"
            for each in self.totals
            if each.local
        }
        return totals | {each.local: each.field for each in self.measures if each.local}


@dataclass(frozen=True)
class Item:
    """One item of an instrument."""

    total: Total
    code: str


class Codes:
    """The table, with the local system in its place.

    Parameters
    ----------
    local_system : str
        URI of the local CodeSystem of measurements.
    """

    def __init__(self, local_system: str) -> None:
        self.table = code_table()
        self.local_system = local_system
        systems = self.table.systems
        self._observed: dict[tuple[str, str], Total | Measure | Item] = {}
        rows: tuple[Total | Measure, ...] = (*self.table.totals, *self.table.measures)
        for row in rows:
            if row.loinc:
                self._observed[systems.loinc, row.loinc] = row
            if row.local:
                self._observed[local_system, row.local] = row
        for total in self.table.totals:
            for code in total.items:
                self._observed[systems.loinc, code] = Item(total, code)
        self._diagnoses = {code: row for row in self.table.diagnoses for code in row.codes}

    def observation(self, codings: list[tuple[str, str]]) -> Total | Measure | Item | None:
        """Return the row of the first coding that is in the table."""
        return next((self._observed[each] for each in codings if each in self._observed), None)

    def observed_codes(self) -> list[tuple[str, str]]:
        """Return system and code of every measurement."""
        return list(self._observed)

    def diagnosis(self, codings: list[tuple[str, str]]) -> Diagnosis | None:
        """Return what a diagnosis says, if it is in the table."""
        systems = self.table.systems.icd10
        known = (self._diagnoses.get(code) for system, code in codings if system in systems)
        return next((row for row in known if row is not None), None)

    def medications(self, codings: list[tuple[str, str]]) -> list[MedicationClass]:
        """Return the classes to which a medication belongs."""
        systems = self.table.systems
        substances = [code for system, code in codings if system == systems.atc]
        ingredients = {code for system, code in codings if system == systems.rxnorm}
        return [
            row
            for row in self.table.medications
            if any(row.holds(code) for code in substances) or ingredients & set(row.rxnorm)
        ]

    def is_tms(self, codings: list[tuple[str, str]]) -> bool:
        """Return whether a procedure is a session of TMS."""
        cpt = self.table.systems.cpt
        return any(system == cpt and code in self.table.tms.codes for system, code in codings)


@cache
def code_table() -> CodeTable:
    """Return the table as written."""
    return CodeTable.model_validate(
        tomllib.loads("\n".join(each.read_text("utf-8") for each in _TABLES))
    )
