"""The rating scales: range, direction, thresholds, bands, codes and their sources.

A patient's score is never converted from one instrument to another: conversion "often fails" for
individuals (Hawley 2013), and remission agrees between scales in only 79-84 % of patients.
"""

from bisect import bisect_right
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from data_schemas.errors import DataError, did_you_mean

Domain = Literal["depression", "anxiety", "obsessive_compulsive"]


class Instrument(BaseModel):
    """One rating scale. Higher totals always mean more severe illness.

    Remission is a total at or below `remission_cutoff`; response is a fall from baseline by at
    least the fraction `response_reduction`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Short name, as used in every file and message.")
    full_name: str
    domain: Domain
    minimum: int = Field(description="Lowest possible total.")
    maximum: int = Field(description="Highest possible total.")
    item_maxima: tuple[int, ...] = Field(
        default=(), description="Highest score of each item; empty where items are not supported."
    )
    response_reduction: float = Field(default=0.5, gt=0, lt=1)
    remission_cutoff: int | None = Field(
        default=None, description="Remission is a total at or below this; none where unsettled."
    )
    severity_bands: tuple[int, ...] = Field(
        default=(), description="Lowest total of each band after the first, ascending."
    )
    loinc: str | None = Field(default=None, description="LOINC code of the total, if confirmed.")
    source: str

    def total_from_items(self, items: tuple[int, ...]) -> int:
        """Return the total of a complete set of item scores.

        Raises
        ------
        DataError
            When the number of items or an item's range does not fit; a total is never prorated.
        """
        if not self.item_maxima:
            raise DataError(f"{self.name} totals cannot be computed from items; give the total.")
        if len(items) != len(self.item_maxima):
            raise DataError(
                f"{self.name} has {len(self.item_maxima)} items and {len(items)} were given; "
                "all are needed, since totals are not prorated."
            )
        for number, (score, highest) in enumerate(zip(items, self.item_maxima, strict=True), 1):
            if not 0 <= score <= highest:
                raise DataError(f"{self.name} item {number} must lie between 0 and {highest}.")
        return sum(items)

    def severity_band(self, total: float) -> int | None:
        """Return the severity band of a total, 0 the mildest, or None where bands are unsettled."""
        return bisect_right(self.severity_bands, total) if self.severity_bands else None


# HDRS-17: nine items scored 0-4 and eight scored 0-2, in Hamilton's order.
_HDRS_17_ITEMS = (4, 4, 4, 2, 2, 2, 4, 4, 4, 4, 4, 2, 2, 2, 4, 2, 2)

_ALL = (
    Instrument(
        name="HDRS-17",
        full_name="Hamilton Depression Rating Scale, 17 items",
        domain="depression",
        minimum=0,
        maximum=52,
        item_maxima=_HDRS_17_ITEMS,
        remission_cutoff=7,
        severity_bands=(8, 14, 19, 23),
        source="remission <= 7: 1991 consensus; bands: PMC10566125 table 3",
    ),
    Instrument(
        name="HDRS-21",
        full_name="Hamilton Depression Rating Scale, 21 items",
        domain="depression",
        minimum=0,
        maximum=64,
        remission_cutoff=7,
        source="Riedel 2010, doi:10.1016/j.jpsychires.2010.03.006",
    ),
    Instrument(
        name="HDRS-24",
        full_name="Hamilton Depression Rating Scale, 24 items",
        domain="depression",
        minimum=0,
        maximum=76,
        remission_cutoff=10,
        source="range: trialsjournal 2017-2125; Hamilton <= 10: VA trial, jamapsychiatry 2686050, "
        "whose abstract does not state the number of items",
    ),
    Instrument(
        name="MADRS",
        full_name="Montgomery-Asberg Depression Rating Scale",
        domain="depression",
        minimum=0,
        maximum=60,
        item_maxima=(6,) * 10,
        remission_cutoff=7,
        severity_bands=(7, 20, 35),
        source="remission <= 7 (best agreement with CGI, AUC .94): Riedel 2010, "
        "doi:10.1016/j.jpsychires.2010.03.006",
    ),
    Instrument(
        name="PHQ-9",
        full_name="Patient Health Questionnaire, 9 items",
        domain="depression",
        minimum=0,
        maximum=27,
        item_maxima=(3,) * 9,
        remission_cutoff=4,
        severity_bands=(5, 10, 15, 20),
        loinc="44261-6",
        source="bands: LOINC answer list LL382-3; code: US Core examples",
    ),
    Instrument(
        name="QIDS-SR16",
        full_name="Quick Inventory of Depressive Symptomatology, self-report, 16 items",
        domain="depression",
        minimum=0,
        maximum=27,
        remission_cutoff=5,
        severity_bands=(6, 11, 16, 21),
        source="ids-qids.org/interpretation.html",
    ),
    Instrument(
        name="IDS-SR30",
        full_name="Inventory of Depressive Symptomatology, self-report, 30 items",
        domain="depression",
        minimum=0,
        maximum=84,
        remission_cutoff=13,
        severity_bands=(14, 26, 39, 49),
        source="ids-qids.org/interpretation.html",
    ),
    Instrument(
        name="BDI-II",
        full_name="Beck Depression Inventory II",
        domain="depression",
        minimum=0,
        maximum=63,
        item_maxima=(3,) * 21,
        remission_cutoff=12,
        loinc="89209-1",
        source="remission <= 12, empirical for the BDI: Riedel 2010, "
        "doi:10.1016/j.jpsychires.2010.03.006; code: MII IG PRO",
    ),
    Instrument(
        name="GAD-7",
        full_name="Generalised Anxiety Disorder scale, 7 items",
        domain="anxiety",
        minimum=0,
        maximum=21,
        item_maxima=(3,) * 7,
        remission_cutoff=4,
        severity_bands=(5, 10, 15),
        loinc="70274-6",
        source="anxious depression >= 10, remission < 5: doi:10.4088/JCP.22m14571",
    ),
    Instrument(
        name="HAM-A",
        full_name="Hamilton Anxiety Rating Scale",
        domain="anxiety",
        minimum=0,
        maximum=56,
        item_maxima=(4,) * 14,
        source="range: 14 items scored 0-4 (Hamilton 1959)",
    ),
    Instrument(
        name="HADS-A",
        full_name="Hospital Anxiety and Depression Scale, anxiety",
        domain="anxiety",
        minimum=0,
        maximum=21,
        item_maxima=(3,) * 7,
        source="range: 7 items scored 0-3 (Zigmond and Snaith 1983)",
    ),
    Instrument(
        name="HADS-D",
        full_name="Hospital Anxiety and Depression Scale, depression",
        domain="depression",
        minimum=0,
        maximum=21,
        item_maxima=(3,) * 7,
        source="range: 7 items scored 0-3 (Zigmond and Snaith 1983)",
    ),
    Instrument(
        name="Y-BOCS",
        full_name="Yale-Brown Obsessive Compulsive Scale",
        domain="obsessive_compulsive",
        minimum=0,
        maximum=40,
        item_maxima=(4,) * 10,
        response_reduction=0.35,
        source="response >= 35 %: convention of OCD trials (Mataix-Cols 2016, "
        "doi:10.1002/wps.20299)",
    ),
)

INSTRUMENTS: dict[str, Instrument] = {instrument.name: instrument for instrument in _ALL}


def get_instrument(name: str) -> Instrument:
    """Return the instrument of that exact name.

    Raises
    ------
    DataError
        Naming the allowed instruments and the nearest match.
    """
    try:
        return INSTRUMENTS[name]
    except KeyError:
        allowed = ", ".join(INSTRUMENTS)
        raise DataError(
            f"'{name}' is not a known instrument.{did_you_mean(name, INSTRUMENTS)} "
            f"Allowed: {allowed}."
        ) from None
