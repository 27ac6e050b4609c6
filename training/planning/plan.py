"""The answer of `tms-response plan`: what is needed, and what a given number of patients yields."""

from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from data_schemas.errors import UsageError
from training.planning.precision import (
    ExpectedInterval,
    auroc_interval,
    auroc_interval_over_sites,
    slope_interval,
)
from training.planning.sample_size import (
    RequiredSample,
    expected_shrinkage,
    r_squared_from_auroc,
    required_sample,
)

TREES_NEED_MORE: Final = (
    "The criteria are for a regression. Tree ensembles, LightGBM among them, need considerably "
    "more patients; how many more is not settled."
)
FORMULA_TOO_LOW: Final = (
    "From an AUROC of 0.8 on, these criteria ask for too few patients (doi:10.1186/s12874-024-"
    "02268-5)."
)
AT_BEST: Final = (
    "The interval within sites is the narrowest to expect: as if the true AUROC were the same at "
    "every site, and all sites equally large."
)
# Pavlou et al. 2024, doi:10.1186/s12874-024-02268-5.
_FORMULA_HOLDS_BELOW: Final = 0.8


@dataclass(frozen=True)
class Precision:
    """What one number of patients yields.

    Attributes
    ----------
    patients : int
        Who were not learned from when they were predicted.
    auroc, auroc_within_sites : ExpectedInterval or None
        None where too few are expected of either outcome, or no sites were given.
    slope : ExpectedInterval
        Of the calibration slope.
    """

    patients: int
    auroc: ExpectedInterval | None
    auroc_within_sites: ExpectedInterval | None
    slope: ExpectedInterval


@dataclass(frozen=True)
class Plan:
    """A planned study.

    Attributes
    ----------
    auroc : float
        That the model is expected to reach.
    needed : RequiredSample
        Patients to develop it on.
    shrinkage : float or None
        Expected with the patients that there are.
    development, external : Precision or None
        With the patients to develop on, and with those of another cohort.
    sites : int or None
        Among which the patients to develop on are shared.
    """

    auroc: float
    needed: RequiredSample
    shrinkage: float | None
    development: Precision | None
    external: Precision | None
    sites: int | None


def make_plan(
    *,
    parameters: int,
    prevalence: float,
    auroc: float,
    patients: int | None = None,
    sites: int | None = None,
    external: int | None = None,
) -> Plan:
    """Return what a study needs, and what its patients would yield.

    Parameters
    ----------
    parameters : int
        Candidate predictor parameters, from 1 on.
    prevalence : float
        Share of patients who reach the outcome, 0 to 1, exclusive.
    auroc : float
        Expected in patients not learned from, 0.5 to 1, exclusive.
    patients : int, optional
        To develop on, from 1 on.
    sites : int, optional
        Among which they are shared, 2 to `patients`.
    external : int, optional
        Patients of another cohort to validate on, from 1 on.

    Raises
    ------
    UsageError
        When a number is outside its range.
    """
    _check_model(parameters, prevalence, auroc)
    _check_counts(patients, sites, external)
    r_squared = r_squared_from_auroc(auroc, prevalence)
    return Plan(
        auroc=auroc,
        needed=required_sample(parameters, prevalence, r_squared),
        shrinkage=expected_shrinkage(parameters, r_squared, patients) if patients else None,
        development=_precision(auroc, prevalence, patients, sites) if patients else None,
        external=_precision(auroc, prevalence, external, None) if external else None,
        sites=sites,
    )


def _check_model(parameters: int, prevalence: float, auroc: float) -> None:
    if parameters < 1:
        raise UsageError("--parameters is a count of predictor parameters, 1 or more.")
    if not 0 < prevalence < 1:
        raise UsageError(
            "--prevalence is a share of patients, between 0 and 1; give 0.47 for 47 %."
        )
    if not 0.5 < auroc < 1:
        raise UsageError("--auc lies between 0.5 (chance) and 1 (perfect), and is neither.")


def _check_counts(patients: int | None, sites: int | None, external: int | None) -> None:
    for name, count in (("--patients", patients), ("--external", external)):
        if count is not None and count < 1:
            raise UsageError(f"{name} is a count of patients, 1 or more.")
    if sites is None:
        return
    if patients is None:
        raise UsageError("--sites shares out the patients; give their number with --patients.")
    if not 2 <= sites <= patients:
        raise UsageError(f"--sites is a count from 2 to the number of patients, {patients}.")


def _precision(auroc: float, prevalence: float, patients: int, sites: int | None) -> Precision:
    within = sites and auroc_interval_over_sites(auroc, prevalence, patients, sites)
    return Precision(
        patients=patients,
        auroc=auroc_interval(auroc, prevalence, patients),
        auroc_within_sites=within or None,
        slope=slope_interval(auroc, prevalence, patients),
    )


def render_plan(plan: Plan) -> RenderableType:
    """Return a plan as something that `rich` prints."""
    needed = plan.needed
    assumed = (
        f"Assumed: {needed.parameters} candidate parameters (a column counts once, a curve or a "
        f"category more often), {100 * needed.prevalence:g} % of the patients reach the outcome, "
        f"and the model reaches an AUROC of {plan.auroc:g} (Cox-Snell R² {needed.r_squared:.4f})."
    )
    parts: list[RenderableType] = [Text(assumed), _needed_table(needed)]
    if plan.development is not None and plan.shrinkage is not None:
        parts.append(_development_table(plan, plan.development, plan.shrinkage))
    if plan.external is not None:
        title = f"To validate on {plan.external.patients:,} patients of another cohort"
        table = _table(title, "", "expected")
        _add_precision(table, plan.external, None)
        parts.append(table)
    return Group(*parts, Text("\n" + "\n".join(_caveats(plan))))


def _needed_table(needed: RequiredSample) -> Table:
    table = _table("Patients needed to develop the model", "so that", "patients", "events")
    table.add_column("events per parameter", justify="right")
    criteria = (
        ("(i) predictions need shrinking by a tenth at most", needed.for_shrinkage),
        ("(ii) R² looks at most 0.05 better than it is", needed.for_optimism),
        ("(iii) the base rate is known within 5 points", needed.for_base_rate),
    )
    for what, patients in criteria:
        binds = patients == needed.patients
        events = patients * needed.prevalence
        row = (what + (", which decides" if binds else ""), f"{patients:,}", f"{events:,.0f}",
               f"{events / needed.parameters:.1f}")  # fmt: skip
        table.add_row(*row, style="bold" if binds else "")
    return table


def _development_table(plan: Plan, found: Precision, shrinkage: float) -> Table:
    events = found.patients * plan.needed.prevalence
    table = _table(f"With {found.patients:,} patients", "", "expected")
    missing = plan.needed.patients - found.patients
    verdict = f"{missing:,} patients too few" if missing > 0 else "enough for all three criteria"
    table.add_row("Riley's criteria", verdict)
    per_parameter = events / plan.needed.parameters
    table.add_row("Events", f"{events:,.0f}, which is {per_parameter:.1f} per parameter")
    table.add_row(
        "Shrinkage: slope that new patients would show, unless it is built in", f"{shrinkage:.2f}"
    )
    _add_precision(table, found, plan.sites)
    return table


def _add_precision(table: Table, found: Precision, sites: int | None) -> None:
    table.add_row("AUROC, 95 % interval, all ranked together", _interval_text(found.auroc))
    if sites is not None:
        label = f"AUROC, 95 % interval, within {sites} sites held out in turn"
        table.add_row(label, _interval_text(found.auroc_within_sites))
    table.add_row("Calibration slope, 95 % interval about 1", _interval_text(found.slope))


def _interval_text(interval: ExpectedInterval | None) -> str:
    if interval is None:
        return "none: fewer than 5 patients expected of either outcome"
    return f"{interval.lower:.2f} to {interval.upper:.2f} (width {interval.width:.2f})"


def _caveats(plan: Plan) -> list[str]:
    caveats = [TREES_NEED_MORE]
    if plan.auroc >= _FORMULA_HOLDS_BELOW:
        caveats.append(FORMULA_TOO_LOW)
    if plan.development is not None and plan.development.auroc_within_sites is not None:
        caveats.append(AT_BEST)
    return caveats


def _table(title: str, first: str, *numbers: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold")
    table.add_column(first)
    for name in numbers:
        table.add_column(name, justify="right")
    return table
