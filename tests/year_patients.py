"""Patients of a simulated year: who comes in which week, and when their outcomes are told."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from training.simulator.draw import PatientDraw, draw_patients
from training.simulator.parameters import SimulatorParameters, load_parameters
from training.simulator.patients import to_patients
from training.simulator.sites import Site

SCENARIO = "optimistic"
FIRST_DAY = datetime(2026, 1, 5, 9, tzinfo=UTC)  # a Monday
WEEKS_OF_TREATMENT = 6
# How many weeks after the last rating it is reported, and how often.
_DELAYS = (0, 1, 2, 4)
_SHARE_OF_DELAYS = (0.5, 0.25, 0.15, 0.1)
_SHARE_TWICE = 0.1
_SHARE_CORRECTED = 0.05
_POINTS_OF_A_MISTAKE = 20.0


@dataclass(frozen=True)
class YearPatient:
    """A patient of the year.

    Attributes
    ----------
    number : int
        From 0, in the order of their coming.
    week : int
        In which the patient is asked about; the year begins with week 1.
    site : str
        Hospital.
    body : dict
        What the hospital sends before treatment.
    final_total, responded : float, bool
        What becomes of the patient: the last rating, and whether it is half of the first or less.
    told_in : tuple of (int, float or None)
        The weeks in which the outcome is reported, and the total reported then; with None it is
        said in words whether the patient responded. Empty for those of whom nobody hears again.
    """

    number: int
    week: int
    site: str
    body: dict[str, Any]
    final_total: float
    responded: bool
    told_in: tuple[tuple[int, float | None], ...]

    @property
    def measured_on(self) -> date:
        """Day of the last rating."""
        return monday(self.week + WEEKS_OF_TREATMENT)


def monday(week: int) -> date:
    """Return the first day of a week of the year."""
    return (FIRST_DAY + timedelta(weeks=week - 1)).date()


def year_patients(
    sites: tuple[Site, ...], week_sizes: list[int], drift: range, shift: float, seed: int
) -> list[YearPatient]:
    """Draw the patients of a year at the hospitals of an earlier draw.

    Parameters
    ----------
    sites : tuple of Site
        The hospitals.
    week_sizes : list of int
        Patients of each week.
    drift : range
        Weeks whose patients improve more seldom, or more often, than they would have.
    shift : float
        By how much, in log-odds of improving.
    seed : int
        Of everything.
    """
    n = sum(week_sizes)
    usual, drifted = (
        draw_patients(n, SCENARIO, seed, sites=sites, parameters=_shifted(by))
        for by in (0.0, shift)
    )
    weeks = np.repeat(np.arange(len(week_sizes)) + 1, week_sizes).tolist()
    rng = np.random.default_rng(seed)
    bodies = [each.model_dump(mode="json", exclude_none=True) for each in to_patients(usual)]
    return [
        _patient(number, week, bodies[number], drifted if week in drift else usual, rng)
        for number, week in enumerate(weeks)
    ]


def _shifted(by: float) -> SimulatorParameters:
    parameters = load_parameters()
    scenario = parameters.scenario(SCENARIO)
    changed = scenario.model_copy(update={"intercept": scenario.intercept + by})
    return parameters.model_copy(update={"scenarios": {**parameters.scenarios, SCENARIO: changed}})


def _patient(
    number: int, week: int, body: dict[str, Any], draw: PatientDraw, rng: np.random.Generator
) -> YearPatient:
    final = float(draw.outcomes.final_total[number])
    told = tuple(_told(week, final, rng))
    return YearPatient(
        number, week, body["site"], body, final,
        responded=bool(draw.outcomes.response[number]),
        told_in=told if draw.outcome_known[number] else (),
    )  # fmt: skip


def _told(week: int, final: float, rng: np.random.Generator) -> Iterator[tuple[int, float | None]]:
    """Yield in which weeks which total is told: once, twice the same, or first a wrong one."""
    arrives = week + WEEKS_OF_TREATMENT + int(rng.choice(_DELAYS, p=_SHARE_OF_DELAYS))
    luck, in_words = rng.random(), bool(rng.random() < 0.2)
    if luck < _SHARE_CORRECTED:
        yield arrives, final + _POINTS_OF_A_MISTAKE if final < 30 else final - _POINTS_OF_A_MISTAKE
        yield arrives + 1, final
        return
    yield arrives, None if in_words else final
    if luck < _SHARE_CORRECTED + _SHARE_TWICE:
        yield arrives + 1, None if in_words else final
