"""The clinics of a simulated cohort, and how each deviates from the average one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.simulator.parameter_sections import Profile, Scenario
from training.simulator.parameters import SimulatorParameters
from training.simulator.scales import FloatArray

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Site:
    """One clinic.

    Attributes
    ----------
    name : str
    profile : Profile
        Who is treated there, and how its response rate is offset.
    share : float
        Share of the cohort's patients; the shares of all sites sum to one.
    anxiety_missing : float
        Probability that the GAD-7 is missing.
    scan_weight : float
        How readily patients are scanned, relative to other sites; 0 without a scanner.
    intercept : float
        Drawn deviation of the log-odds of improving, beside the profile's offset.
    anxiety_slope, sgacc_slope : float
        Drawn deviations of the effects of anxiety and of subgenual connectivity.
    """

    name: str
    profile: Profile
    share: float
    anxiety_missing: float
    scan_weight: float
    intercept: float
    anxiety_slope: float
    sgacc_slope: float


def draw_sites(
    n_sites: int,
    scenario: Scenario,
    parameters: SimulatorParameters,
    rng: np.random.Generator,
) -> tuple[Site, ...]:
    """Draw the sites of a cohort from the roster.

    Parameters
    ----------
    n_sites : int
        At least 1; beyond the roster its general clinics come again under a numbered name.
    scenario : Scenario
        Gives the spread of the connectivity effect.
    parameters : SimulatorParameters
    rng : numpy.random.Generator

    Returns
    -------
    tuple of Site
    """
    roster = parameters.roster
    places = _roster_places(n_sites, roster.profile)
    shares = np.array([roster.share[place] for place in places])
    effects = parameters.site_effects
    spread = np.array(
        [[effects.intercept_sd], [effects.anxiety_slope_sd], [scenario.sgacc_slope_sd]]
    )
    deviations = spread * rng.standard_normal((3, n_sites))
    return tuple(
        Site(
            name=_name(roster.name[place], turn),
            profile=parameters.profiles[roster.profile[place]],
            share=float(shares[number] / shares.sum()),
            anxiety_missing=roster.anxiety_missing[place],
            scan_weight=roster.scan_weight[place],
            intercept=float(deviations[0, number]),
            anxiety_slope=float(deviations[1, number]),
            sgacc_slope=float(deviations[2, number]),
        )
        for number, (place, turn) in enumerate(zip(places, _turns(places), strict=True))
    )


def _roster_places(n_sites: int, profiles: Sequence[str]) -> list[int]:
    general = [place for place, profile in enumerate(profiles) if profile == "general"]
    extra = [general[turn % len(general)] for turn in range(max(0, n_sites - len(profiles)))]
    return [*range(min(n_sites, len(profiles))), *extra]


def _turns(places: Sequence[int]) -> list[int]:
    return [places[:number].count(place) for number, place in enumerate(places)]


def _name(name: str, turn: int) -> str:
    return name if turn == 0 else f"{name}-{turn + 1}"


@dataclass(frozen=True)
class Enrolment:
    """Who is treated where.

    Attributes
    ----------
    sites : tuple of Site
    site_index : ndarray of int, shape (n,)
        Position of each patient's site in `sites`.
    """

    sites: tuple[Site, ...]
    site_index: IntArray

    def __len__(self) -> int:
        return len(self.site_index)

    def of_site(self, value: Callable[[Site], float]) -> FloatArray:
        """Return a value of each patient's site, shape (n,)."""
        return np.array([value(site) for site in self.sites])[self.site_index]

    def by_site(self) -> Iterator[tuple[Site, npt.NDArray[np.bool_]]]:
        """Yield each site with the mask of its patients."""
        for number, site in enumerate(self.sites):
            yield site, self.site_index == number


def enrol_patients(n_patients: int, sites: tuple[Site, ...], rng: np.random.Generator) -> Enrolment:
    """Allot patients to sites in random order.

    The sizes follow the sites' shares as closely as whole patients allow.
    """
    exact = n_patients * np.array([site.share for site in sites])
    sizes = np.floor(exact).astype(np.int64)
    rest = np.argsort(sizes - exact, kind="stable")[: n_patients - int(sizes.sum())]
    sizes[rest] += 1
    return Enrolment(sites, rng.permutation(np.repeat(np.arange(len(sites)), sizes)))
