"""A simulated cohort in memory: the patients, their true values, and what was observed."""

from dataclasses import dataclass

from data_schemas.errors import UsageError
from training.simulator.clinical import (
    BoolArray,
    Latent,
    Outcomes,
    class_log_odds,
    draw_latent,
    draw_outcomes,
)
from training.simulator.columns import FloatArray
from training.simulator.parameter_sections import Scenario
from training.simulator.parameters import SimulatorParameters, load_parameters
from training.simulator.recording import draw_dropout, hide_columns, record_columns
from training.simulator.sites import Enrolment, Site, draw_sites, enrol_patients
from training.simulator.streams import random_stream

MAXIMUM_SITES = 50
MINIMUM_PATIENTS = 20
MINIMUM_PATIENTS_A_SITE = 5
MAXIMUM_PATIENTS = 1_000_000


@dataclass(frozen=True)
class PatientDraw:
    """Simulated patients.

    Attributes
    ----------
    scenario_name : str
    seed : int
    scenario : Scenario
    parameters : SimulatorParameters
    enrolment : Enrolment
        Who is treated where; the sites hold their drawn deviations.
    latent : Latent
        True values.
    recorded, observed : dict of ndarray, shape (n,)
        By the names of `columns.COLUMNS`: complete, and with NaN where missing. Codes stand for
        the levels of a column.
    outcomes : Outcomes
        Complete.
    outcome_known : ndarray of bool, shape (n,)
        False for those who dropped out.
    """

    scenario_name: str
    seed: int
    scenario: Scenario
    parameters: SimulatorParameters
    enrolment: Enrolment
    latent: Latent
    recorded: dict[str, FloatArray]
    observed: dict[str, FloatArray]
    outcomes: Outcomes
    outcome_known: BoolArray

    def __len__(self) -> int:
        return len(self.enrolment)

    def site_names(self) -> list[str]:
        """Return the name of each patient's site."""
        names = [site.name for site in self.enrolment.sites]
        return [names[number] for number in self.enrolment.site_index.tolist()]


def draw_patients(
    n_patients: int,
    scenario: str = "conservative",
    seed: int = 7,
    n_sites: int = 8,
    *,
    sites: tuple[Site, ...] | None = None,
    parameters: SimulatorParameters | None = None,
) -> PatientDraw:
    """Draw patients with their outcomes, without writing anything.

    `simulate` writes exactly these patients for the same arguments.

    Parameters
    ----------
    n_patients : int
        At least 20, and 5 a site.
    scenario : {"null", "conservative", "elbau", "optimistic"}
    seed : int
        Not negative; the same seed gives the same patients.
    n_sites : int
        1 to 50.
    sites : tuple of Site, optional
        Draw new patients of these sites instead, such as those of an earlier draw.
    parameters : SimulatorParameters, optional

    Raises
    ------
    UsageError
        For an unknown scenario, and numbers out of range.
    """
    parameters = parameters or load_parameters()
    chosen = parameters.scenario(scenario)
    if sites is None:
        _check_sizes(n_patients, n_sites)
    if seed < 0:
        raise UsageError("The seed must be 0 or a positive whole number.")
    rng, missing_rng = random_stream(seed, "patients"), random_stream(seed, "missing")
    sites = sites or draw_sites(n_sites, chosen, parameters, random_stream(seed, "sites"))
    enrolment = enrol_patients(n_patients, sites, rng)
    latent, baseline_total = draw_latent(enrolment, parameters, rng)
    recorded = record_columns(latent, enrolment, parameters, rng)
    log_odds = class_log_odds(latent, recorded, enrolment, chosen, parameters)
    outcomes = draw_outcomes(log_odds, baseline_total, parameters, rng)
    return PatientDraw(
        scenario_name=scenario,
        seed=seed,
        scenario=chosen,
        parameters=parameters,
        enrolment=enrolment,
        latent=latent,
        recorded=recorded,
        observed=hide_columns(recorded, enrolment, parameters, missing_rng),
        outcomes=outcomes,
        outcome_known=draw_dropout(outcomes, parameters, missing_rng),
    )


def _check_sizes(n_patients: int, n_sites: int) -> None:
    if not 1 <= n_sites <= MAXIMUM_SITES:
        raise UsageError(f"The number of sites must lie between 1 and {MAXIMUM_SITES}.")
    smallest = max(MINIMUM_PATIENTS, MINIMUM_PATIENTS_A_SITE * n_sites)
    if not smallest <= n_patients <= MAXIMUM_PATIENTS:
        raise UsageError(
            f"With {n_sites} sites the number of patients must lie between {smallest} and "
            f"{MAXIMUM_PATIENTS:,}. Ask for more patients or fewer sites."
        )
