"""Is this cohort fit to train on? The numbers behind `tms-response check`."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_schemas.cohort import CohortSpec
from training.cohort.read import Reading, read_all
from training.cohort.records import (
    CheckReport,
    CohortIssue,
    CohortMember,
    GroupRates,
    Missingness,
    Progress,
    is_trained_on,
)
from training.cohort.render import render_check
from training.cohort.scans import scan_issues

__all__ = ["check_cohort", "render_check"]


def check_cohort(
    path: Path | str, data: Path | str | None = None, progress: Progress | None = None
) -> CheckReport:
    """Look at a cohort as training would, and report all that is wrong or doubtful.

    Parameters
    ----------
    path, data, progress
        As for `training.cohort.read.read_cohort`.

    Returns
    -------
    CheckReport
        `has_errors` tells whether training would refuse the data.

    Raises
    ------
    ConfigurationError
        When the spec is wrong; bad data is reported, not raised.
    DataError
        When there is no such cohort or data folder.
    """
    reading = read_all(path, data, progress)
    spec, members = reading.spec, reading.members
    scans = tuple(scan_issues(members, reading.folder, reading.nodes.table))
    issues = (*(i for i in scans if i.severity == "error"), *reading.findings.issues(),
              *(i for i in scans if i.severity != "error"))  # fmt: skip
    if members and not reading.findings.problems:
        issues = (*_no_contrast(members, spec), *issues)
    return CheckReport(
        name=spec.name,
        spec=spec,
        flow=reading.flow,
        issues=issues,
        missingness=tuple(_missingness(reading)),
        rates=tuple(_rates(members, spec)),
    )


def _no_contrast(members: Sequence[CohortMember], spec: CohortSpec) -> Iterator[CohortIssue]:
    """Yield the error that a model cannot be trained where all outcomes are alike."""
    responses = {m.outcome.response for m in members if m.outcome and is_trained_on(m.arm, spec)}
    if len(responses) == 2:
        return
    alike = "nobody has both totals" if not responses else "all patients are of one class"
    message = f"{alike}, so there is no response to tell from no response"
    yield CohortIssue("error", "one_class", "outcome", message)


def _missingness(reading: Reading) -> Iterator[Missingness]:
    columns = reading.columns
    if columns is None:
        return
    extra = {f"extra.{name}": found for name, found in columns.extra.items()}
    for name, found in {**columns.fields, **extra}.items():
        missing = sum(value is None for value in found.values)
        yield Missingness(name, found.origin, missing, len(found.values))
    if start := reading.spec.treatment.start_date:
        undated = sum(member.treatment_started is None for member in reading.members)
        (place,) = start.references()
        yield Missingness("start of treatment", place, undated, len(reading.members))
    if reading.spec.connectome is not None:
        without = sum(not member.connectome_files for member in reading.members)
        place = reading.spec.connectome.files
        yield Missingness("connectome", place, without, len(reading.members))
    if reading.spec.course is not None:
        without = sum(member.course is None for member in reading.members)
        place = "scores during treatment"
        yield Missingness("course", place, without, len(reading.members))


def _rates(members: Sequence[CohortMember], spec: CohortSpec) -> Iterator[GroupRates]:
    """Yield the rates in all who are learned from, in each of their sites, and in each arm."""
    groups: dict[tuple[str, str], list[CohortMember]] = defaultdict(list)
    for member in members:
        if member.outcome is None:
            continue
        if is_trained_on(member.arm, spec):
            groups["all", "learned from"].append(member)
            if "site" in spec.patient:
                groups["site", member.patient.site or "not recorded"].append(member)
        if spec.arms is not None:
            groups["arm", member.arm or "not recorded"].append(member)
    for (grouping, group), grouped in sorted(groups.items()):
        yield _group_rates(grouping, group, grouped)


def _group_rates(grouping: str, group: str, members: Sequence[CohortMember]) -> GroupRates:
    outcomes = [member.outcome for member in members if member.outcome]
    remissions = [outcome.remission for outcome in outcomes]
    return GroupRates(
        grouping,
        group,
        patients=len(outcomes),
        responses=sum(outcome.response for outcome in outcomes),
        remissions=None if None in remissions else sum(map(bool, remissions)),
    )
