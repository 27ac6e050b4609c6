"""On which patients a challenger and the champion are compared, and what came of it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pandas as pd

from data_schemas.errors import DataError
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.performance.held_out import HeldOut, held_out_models
from training.performance.resampling import Drawing
from training.promotion.comparison import Compared, compare
from training.promotion.course_evidence import HeldOutCourse, WeekEvidence, compare_courses
from training.summary import OUT_OF_FOLD_FILE, Finding, RunSummary

# As the intervals of the default configuration.
DRAWING: Final = Drawing(bootstraps=2000, confidence=0.95, seed=7)


@dataclass(frozen=True)
class Evidence:
    """A comparison, and the patients that it rests on.

    Attributes
    ----------
    patients : str
        Who they are, in words.
    n_patients, n_events : int
        How many, and how many of them reached the outcome.
    fingerprint : str
        Of their cohort.
    compared : tuple of Compared
    abstained : tuple of int, or None
        For how many of them challenger and champion decline to answer, where that was counted.
        They count in all figures, with the chance that would have been given.
    course : tuple of WeekEvidence
        The same of the models of the course of treatment, where they were compared.
    """

    patients: str
    n_patients: int
    n_events: int
    fingerprint: str
    compared: tuple[Compared, ...]
    abstained: tuple[int, int] | None = None
    course: tuple[WeekEvidence, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON content: aggregates alone; null where there is no interval."""
        content = asdict(self)
        content["course"] = list(content["course"])
        for each in (content, *content["course"]):
            each["compared"] = [
                {key: None if value != value else value for key, value in row.items()}  # noqa: PLR0124
                for row in each["compared"]
            ]
        return content


@dataclass(frozen=True)
class FinishedRun:
    """The files of a run that a comparison reads.

    Attributes
    ----------
    summary : RunSummary
    out_of_fold : DataFrame
        `out_of_fold.csv`.
    course : HeldOutCourse
        The same of the models of the course.
    """

    summary: RunSummary
    out_of_fold: pd.DataFrame
    course: HeldOutCourse
    not_comparable: ClassVar = (
        "Champion and challenger have no held-out patients in common; compare them on another "
        "cohort with --cohort."
    )

    @classmethod
    def read(cls, folder: Path) -> "FinishedRun":
        """Read a run's folder.

        Raises
        ------
        DataError
            When it is not that of a finished run.
        """
        summary = RunSummary.load(folder)
        try:
            table = pd.read_csv(folder / OUT_OF_FOLD_FILE)
        except (OSError, ValueError):
            message = f"{folder} holds no {OUT_OF_FOLD_FILE} that can be read; train again."
            raise DataError(message) from None
        return cls(summary, table, HeldOutCourse.read(folder))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the checks of the run found."""
        return self.summary.findings

    @property
    def served(self) -> HeldOut:
        """What the model that is served predicted for the patients held out."""
        name = self.summary.served_model
        own = self.out_of_fold[self.out_of_fold["model"] == name]
        return held_out_models(own.assign(model=name))[name]


def held_out_evidence(challenger: FinishedRun, champion: FinishedRun) -> Evidence | None:
    """Compare what two runs predicted for the same held-out patients.

    Returns
    -------
    Evidence or None
        None where the runs are of other data, or did not hold the same patients out alike.
    """
    one, other = challenger.summary, champion.summary
    fingerprint = one.provenance.data_fingerprint
    if (fingerprint, one.split_name) != (other.provenance.data_fingerprint, other.split_name):
        return None
    mine, theirs = challenger.served, champion.served
    if not (np.array_equal(mine.row, theirs.row) and np.array_equal(mine.y, theirs.y)):
        return None
    return Evidence(
        f"held out in turn from the cohort {one.population.cohort} ({one.split_name})",
        mine.n,
        int(np.count_nonzero(mine.y)),
        fingerprint,
        compare(mine, theirs, DRAWING, by_site=one.split_name == LEAVE_ONE_SITE_OUT),
        course=compare_courses(challenger.course, champion.course, DRAWING),
    )
