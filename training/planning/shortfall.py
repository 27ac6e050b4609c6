"""By how much a trained model misses Riley's criteria."""

from dataclasses import dataclass
from math import isfinite
from typing import Final

import pandas as pd

from serving.model_document import ModelDocument
from training.planning.sample_size import (
    expected_shrinkage,
    r_squared_from_auroc,
    required_sample,
)

# What models of baseline variables may be expected to reach: 0.634 for response (356 patients,
# doi:10.14288/1.0392572) and 0.689 where the course of treatment was known too (232 patients,
# doi:10.1038/s41398-025-03380-w).
EXPECTED_AUROC: Final = 0.65
# From here on the formulae ask for too few patients (doi:10.1186/s12874-024-02268-5).
_HIGHEST_AUROC: Final = 0.8


@dataclass(frozen=True)
class Shortfall:
    """What a trained model had, and what the criteria ask for.

    Attributes
    ----------
    parameters : int
        Predictors that the model could use, each counted once.
    patients, events : int
        Learned from.
    auroc : float
        Assumed: the held-out AUROC, but no less than `EXPECTED_AUROC` and no more than 0.8.
    needed : int
        Patients that the criteria ask for.
    events_needed_per_parameter : float
        Events per parameter among those.
    shrinkage : float
        Expected of a regression on these patients; 0.9 is asked for.
    """

    parameters: int
    patients: int
    events: int
    auroc: float
    needed: int
    events_needed_per_parameter: float
    shrinkage: float

    @property
    def missing(self) -> int:
        """Patients too few; 0 where there are enough."""
        return max(0, self.needed - self.patients)

    def sentence(self) -> str:
        """Return the shortfall in words."""
        had = (
            f"{self.patients:,} patients and {self.parameters} predictors are "
            f"{self.events / self.parameters:.1f} events per predictor"
        )
        asked = f"at an AUROC of {self.auroc:.2f} Riley's criteria ask for {self.needed:,} patients"
        if not self.missing:
            return f"{had}; {asked}."
        return (
            f"{had}; {asked} ({self.events_needed_per_parameter:.1f} events per predictor), "
            f"{self.missing:,} more. Trees need more still. Expected shrinkage of a regression: "
            f"{self.shrinkage:.2f}, where 0.9 is asked for."
        )


def shortfall(document: ModelDocument, evaluation: pd.DataFrame, model: str) -> Shortfall:
    """Compare a trained model's patients with what Riley's criteria ask for.

    The better of the expected and the measured AUROC is assumed, so that a small cohort is not
    called too small for having measured badly.

    Parameters
    ----------
    document : ModelDocument
        Whose features are the predictor parameters.
    evaluation : DataFrame
        `evaluation.csv`, of the document's outcome.
    model : str
        Whose AUROC within sites, or over all patients, is looked up; it may have none.
    """
    population = document.trained_on
    prevalence = population.n_events / population.n_patients
    auroc = min(max(EXPECTED_AUROC, _measured_auroc(evaluation, model)), _HIGHEST_AUROC)
    r_squared = r_squared_from_auroc(auroc, prevalence)
    parameters = len(document.features)
    needed = required_sample(parameters, prevalence, r_squared)
    return Shortfall(
        parameters=parameters,
        patients=population.n_patients,
        events=population.n_events,
        auroc=auroc,
        needed=needed.patients,
        events_needed_per_parameter=needed.events_per_parameter,
        shrinkage=expected_shrinkage(parameters, r_squared, population.n_patients),
    )


def _measured_auroc(evaluation: pd.DataFrame, model: str) -> float:
    """Return the AUROC of the main split; 0 where there is none."""
    rows = evaluation[(evaluation["model"] == model) & (evaluation["metric"] == "auroc")]
    for split in ("leave_one_site_out/within_site", "repeated_nested_cv"):
        found = rows.loc[rows["split"] == split, "estimate"]
        if len(found) and isfinite(found.iloc[0]):
            return float(found.iloc[0])
    return 0.0
