"""What a clinic may set for its FHIR and CDS Hooks interfaces."""

import os
from dataclasses import dataclass
from typing import Final, Self

from data_schemas.errors import ConfigurationError

BASE_VARIABLE: Final = "TMS_RESPONSE_FHIR_BASE"
RECENCY_VARIABLE: Final = "TMS_RESPONSE_FHIR_RECENCY_DAYS"
SOURCE_VARIABLE: Final = "TMS_RESPONSE_CDS_SOURCE_URL"

_BASE: Final = "https://tms-response.example/fhir"
_RECENCY_DAYS: Final = 28


@dataclass(frozen=True)
class FhirSettings:
    """How resources are read and written.

    Attributes
    ----------
    base : str
        Canonical base of our own CodeSystems and extensions, without a slash at its end.
    recency_days : int
        How many days before the index date a recent measurement may be, 1 to 365.
    source_url : str or None
        Where a reader of a card finds out about the service.
    """

    base: str = _BASE
    recency_days: int = _RECENCY_DAYS
    source_url: str | None = None

    def __post_init__(self) -> None:
        if not self.base.startswith(("https://", "http://", "urn:")) or self.base.endswith("/"):
            raise ConfigurationError(
                f"{BASE_VARIABLE} must be an absolute URI without a slash at its end, such as "
                f"{_BASE}."
            )
        if not 1 <= self.recency_days <= 365:
            raise ConfigurationError(f"{RECENCY_VARIABLE} must be a whole number from 1 to 365.")

    @classmethod
    def from_environment(cls) -> Self:
        """Read `TMS_RESPONSE_FHIR_BASE`, `_FHIR_RECENCY_DAYS` and `_CDS_SOURCE_URL`.

        Raises
        ------
        ConfigurationError
            When one of them is set to something unusable.
        """
        days = os.environ.get(RECENCY_VARIABLE) or str(_RECENCY_DAYS)
        return cls(
            base=os.environ.get(BASE_VARIABLE) or _BASE,
            recency_days=int(days) if days.isdecimal() and len(days) < 4 else 0,
            source_url=os.environ.get(SOURCE_VARIABLE) or None,
        )

    def code_system(self, name: str) -> str:
        """Return the URI of one of our own CodeSystems: measure, model, outcome, error, reason."""
        return f"{self.base}/CodeSystem/{name}"

    def extension(self, name: str) -> str:
        """Return the URL of one of our own extensions."""
        return f"{self.base}/StructureDefinition/{name}"
