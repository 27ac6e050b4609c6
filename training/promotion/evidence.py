"""On which patients a challenger and the champion are compared, and what came of it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pandas as pd

from data_schemas.errors import DataError
from serving.predictor import ResponsePredictor
from training.cohort.node_tables import refuse_other_nodes
from training.cohort.read import read_cohort
from training.cohort.records import Cohort, CohortMember
from training.dataset import Progress, counting, reached, sites_of
from training.learning.models import probability
from training.learning.rows import BoolArray, FloatArray
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.performance.held_out import HeldOut, held_out_models
from training.performance.resampling import Drawing
from training.promotion.comparison import Compared, compare
from training.promotion.course_evidence import HeldOutCourse, WeekEvidence, compare_courses
from training.scans import PatientScans
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


def cohort_evidence(
    challenger: ResponsePredictor,
    champion: ResponsePredictor,
    path: Path,
    data: Path | None = None,
    progress: Progress | None = None,
) -> Evidence:
    """Compare two models on the patients of a cohort that neither was trained on.

    Raises
    ------
    DataError
        When the cohort cannot be read or used, or a model was trained on it or refuses one of its
        patients.
    """
    cohort = read_cohort(path, data, progress)
    _refuse_training_cohort(cohort, challenger, champion)
    for each in (challenger, champion):
        refuse_other_nodes(cohort.name, cohort.nodes, each.document.connectome.node_table)
    members = cohort.trained_on()
    y = _outcomes(cohort, challenger)
    found = [
        _predictions(each, members, cohort.folder, progress) for each in (challenger, champion)
    ]
    held = [_held_out(y, members, chances) for chances, _ in found]
    return Evidence(
        f"of the cohort {cohort.name}, on which neither model was trained",
        len(y),
        int(np.count_nonzero(y)),
        cohort.fingerprint,
        compare(held[0], held[1], DRAWING, by_site=False),
        (found[0][1], found[1][1]),
    )


def _refuse_training_cohort(cohort: Cohort, *predictors: ResponsePredictor) -> None:
    for predictor in predictors:
        document = predictor.document
        trained = document.provenance.data_fingerprint == cohort.fingerprint
        if trained or any(each.fingerprint == cohort.fingerprint for each in document.updates):
            what = "trained" if trained else "updated"
            raise DataError(
                f"{predictor.identity.version} was {what} on the cohort {cohort.name} and cannot "
                "be judged on it; name another cohort, or leave --cohort out."
            )


def _outcomes(cohort: Cohort, predictor: ResponsePredictor) -> BoolArray:
    outcome, given = predictor.document.outcome, cohort.spec.outcome.instrument
    if given != outcome.instrument:
        raise DataError(
            f"The cohort {cohort.name} has outcomes on {given}, and the models predict one on "
            f"{outcome.instrument}; name another cohort."
        )
    y: BoolArray = reached(cohort.trained_on(), outcome.kind) == 1
    if not y.any() or y.all():
        raise DataError(
            f"The cohort {cohort.name} has {len(y)} patients with a known outcome, and not both "
            "outcomes among them; nothing can be judged on it."
        )
    return y


def _predictions(
    predictor: ResponsePredictor,
    members: tuple[CohortMember, ...],
    folder: Path,
    progress: Progress | None,
) -> tuple[FloatArray, int]:
    """Return the chances that a model gives, shape (n,), and for how many it would not answer."""
    wanted = predictor.document.connectome
    scans = PatientScans(wanted.quality, folder, wanted.node_table)
    report, rows, abstained = counting(progress, len(members)), [], 0
    for member in members:
        answer, row = predictor.answer(scans.attach(member), explain=False)
        abstained += answer["abstained"]
        rows.append(row)
        report()
    return probability(predictor.log_odds(np.array(rows))), abstained


def _held_out(y: BoolArray, members: tuple[CohortMember, ...], chances: FloatArray) -> HeldOut:
    """Return the predictions of one fit for everyone."""
    n = len(y)
    return HeldOut(
        row=np.arange(n),
        y=y,
        site=sites_of(members),
        probability=chances[None, :],
        fold=np.zeros((1, n), dtype=np.int64),
        has_connectome=np.zeros(n, dtype=np.bool_),
    )
