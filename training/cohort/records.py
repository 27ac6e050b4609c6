"""What reading a cohort yields: members, the flow that led to them, and what was noticed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from data_schemas.cohort import CohortSpec
from data_schemas.course import Course
from data_schemas.errors import DataError, FieldProblem
from data_schemas.outcome import Outcome
from data_schemas.patient import Patient
from features.nodes import NodeTable

Severity = Literal["error", "warning", "note"]

# Called with the patients done and the patients in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CohortMember:
    """One participant, as the study's tables know them.

    Attributes
    ----------
    id : str
        The study's own id; it stays inside the clinic.
    patient : Patient
        Baseline fields; `connectome` is None, its files are named beside it.
    outcome : Outcome or None
        None where one of the two totals is unknown.
    arm : str or None
        active, sham or control; None where the cohort has no arms or the label is missing.
    connectome_files : tuple of Path
        Sorted; empty where there is none.
    treatment_started : date or None
        Day of the first session, the first of the month or year where no more is known. It tells
        who came later and is no part of `patient`.
    course : Course or None
        Scores during treatment, no part of `patient` either; None where there are none.
    course_ended_week : float or None
        Week in which treatment was stopped early; None where it was not, or nothing is known.
    """

    id: str
    patient: Patient
    outcome: Outcome | None
    arm: str | None = None
    connectome_files: tuple[Path, ...] = ()
    treatment_started: date | None = None
    course: Course | None = None
    course_ended_week: float | None = None


@dataclass(frozen=True)
class FlowStep:
    """One step of the flow of participants.

    Attributes
    ----------
    step : str
        Who remains after it, in words.
    remaining, left_out : int
        Participants after this step, and those that this step left out.
    """

    step: str
    remaining: int
    left_out: int = 0


@dataclass(frozen=True)
class CohortIssue:
    """Something wrong (error), doubtful (warning) or worth knowing (note).

    `message` names fields, files and limits, and never a patient's value.
    """

    severity: Severity
    code: str
    where: str
    message: str


@dataclass(frozen=True)
class Cohort:
    """A cohort, read and validated.

    Attributes
    ----------
    name : str
        From the spec.
    spec : CohortSpec
        The whole spec.
    members : tuple of CohortMember
        In the order of the first table, after the filters of the spec.
    flow : tuple of FlowStep
        From everybody listed to those a model can learn from.
    issues : tuple of CohortIssue
        Warnings and notes; errors raise instead.
    fingerprint : str
        SHA-256 of the spec and of every file read, as hexadecimal digits.
    simulated : bool
        Whether no real person is in the data.
    folder : Path
        The data folder, relative to which messages name files.
    nodes : NodeTable or None
        Of the connectomes' atlas, where the spec gives one.
    """

    name: str
    spec: CohortSpec
    members: tuple[CohortMember, ...]
    flow: tuple[FlowStep, ...]
    issues: tuple[CohortIssue, ...]
    fingerprint: str
    simulated: bool
    folder: Path = Path()
    nodes: NodeTable | None = None

    def trained_on(self) -> tuple[CohortMember, ...]:
        """Return the members to learn from: outcome known, in an arm that is trained on."""
        return tuple(m for m in self.members if m.outcome and is_trained_on(m.arm, self.spec))

    def not_trained_on(self) -> tuple[CohortMember, ...]:
        """Return the members to ask the model about, but not to learn from.

        Those of another arm whose outcome is known, and those of an arm that is trained on whose
        outcome is not.
        """
        return tuple(
            m
            for m in self.members
            if (m.arm is not None or self.spec.arms is None)
            and bool(m.outcome) != is_trained_on(m.arm, self.spec)
        )


def is_trained_on(arm: str | None, spec: CohortSpec) -> bool:
    """Tell whether a member of that arm is learned from."""
    return spec.arms is None or arm in spec.arms.train_on


@dataclass
class Findings:
    """Collects what is wrong or doubtful while a cohort is read, so that all is told at once."""

    problems: list[FieldProblem] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    remarks: list[CohortIssue] = field(default_factory=list)
    _seen: set[FieldProblem] = field(default_factory=set)

    def error(self, code: str, problem: FieldProblem) -> None:
        """Add something that makes the data unfit to use; a repetition adds nothing."""
        if problem not in self._seen:
            self._seen.add(problem)
            self.problems.append(problem)
            self.codes.append(code)

    def remark(self, severity: Severity, code: str, where: str, message: str) -> None:
        """Add something doubtful or worth knowing."""
        self.remarks.append(CohortIssue(severity, code, where, message))

    def bad_cells(
        self, place: str, rows: Iterable[int], problem: str, allowed: str = "", code: str = "value"
    ) -> None:
        """Add one error for each row of a column; `place` is the file and the column."""
        for row in rows:
            self.error(code, FieldProblem(place, problem, allowed, int(row)))

    def raise_if_wrong(self, message: str) -> None:
        """Raise a DataError that lists every error so far, if there is one."""
        if self.problems:
            raise DataError(message, self.problems)

    def issues(self) -> tuple[CohortIssue, ...]:
        """Return everything found, errors first."""
        errors = [
            CohortIssue("error", code, _where(problem), _sentence(problem))
            for code, problem in zip(self.codes, self.problems, strict=True)
        ]
        order = {"error": 0, "warning": 1, "note": 2}
        return (*errors, *sorted(self.remarks, key=lambda remark: order[remark.severity]))


def _where(problem: FieldProblem) -> str:
    return problem.field if problem.row is None else f"{problem.field}, row {problem.row}"


def _sentence(problem: FieldProblem) -> str:
    return f"{problem.problem} (allowed: {problem.allowed})" if problem.allowed else problem.problem


@dataclass(frozen=True)
class Missingness:
    """How often one field is unknown among the participants that the filters kept."""

    field: str
    place: str
    missing: int
    total: int


@dataclass(frozen=True)
class GroupRates:
    """Response and remission in one group.

    Attributes
    ----------
    grouping, group : str
        Such as "site" and the site's name, or "arm" and "active".
    patients : int
        Patients with a known outcome.
    responses, remissions : int
        Those who reached it; `remissions` is None where the instrument has no cutoff.
    """

    grouping: str
    group: str
    patients: int
    responses: int
    remissions: int | None


@dataclass(frozen=True)
class CheckReport:
    """What `tms-response check` shows."""

    name: str
    spec: CohortSpec
    flow: tuple[FlowStep, ...]
    issues: tuple[CohortIssue, ...]
    missingness: tuple[Missingness, ...]
    rates: tuple[GroupRates, ...]

    @property
    def has_errors(self) -> bool:
        """Whether training would refuse this data."""
        return any(issue.severity == "error" for issue in self.issues)
