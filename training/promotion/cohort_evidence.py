"""A challenger and the champion on the patients of a cohort that the user names."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from data_schemas.errors import DataError
from serving.predictor import ResponsePredictor
from training.cohort.node_tables import refuse_other_nodes
from training.cohort.read import read_cohort
from training.cohort.records import Cohort, CohortMember
from training.dataset import Progress, counting, reached, sites_of
from training.learning.models import probability
from training.learning.rows import BoolArray, FloatArray
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.performance.held_out import HeldOut
from training.promotion import evidence
from training.promotion.comparison import compare
from training.promotion.evidence import Evidence, FinishedRun
from training.scans import PatientScans


def cohort_evidence(
    challenger: ResponsePredictor,
    champion: ResponsePredictor,
    path: Path,
    data: Path | None = None,
    *,
    progress: Progress | None = None,
    refit: FinishedRun | None = None,
) -> Evidence:
    """Compare two models on the patients of a cohort that the champion was not trained on.

    Parameters
    ----------
    challenger, champion : ResponsePredictor
    path, data : Path
        The cohort.
    progress : callable, optional
    refit : FinishedRun, optional
        The challenger's run. Where it was trained on this very cohort, what it predicted for its
        patients while they were held out is compared.

    Raises
    ------
    DataError
        When the cohort cannot be read or used, the champion was trained on it, or a model refuses
        one of its patients.
    """
    cohort = read_cohort(path, data, progress)
    own = refit is not None and refit.summary.provenance.data_fingerprint == cohort.fingerprint
    judged = [champion] if own else [challenger, champion]
    _refuse_training_cohort(cohort, *judged)
    for each in judged:
        refuse_other_nodes(cohort.name, cohort.nodes, each.document.connectome.node_table)
    y = _outcomes(cohort, challenger)
    found = [_predictions(each, cohort, progress) for each in judged]
    if refit is not None and own:
        return _of_a_refit(refit, y, cohort, found[0][0])
    held = [_held_out(y, cohort.trained_on(), chances) for chances, _ in found]
    return Evidence(
        f"of the cohort {cohort.name}, on which neither model was trained",
        len(y),
        int(np.count_nonzero(y)),
        cohort.fingerprint,
        compare(held[0], held[1], evidence.DRAWING, by_site=False),
        (found[0][1], found[1][1]),
    )


def _of_a_refit(refit: FinishedRun, y: BoolArray, cohort: Cohort, champion: FloatArray) -> Evidence:
    """Compare what a refit predicted for the patients held out with the champion's chances."""
    mine, split = refit.served, refit.summary.split_name
    if not np.array_equal(mine.y, y):
        raise DataError(
            "The held-out predictions of the challenger's run are not of the patients of "
            f"{cohort.name} as they are read now; train again."
        )
    theirs = replace(mine, probability=np.tile(champion, (len(mine.probability), 1)))
    return Evidence(
        f"of the cohort {cohort.name}, on which the champion was not trained, and the challenger "
        f"in turns without them ({split})",
        len(y),
        int(np.count_nonzero(y)),
        cohort.fingerprint,
        compare(mine, theirs, evidence.DRAWING, by_site=split == LEAVE_ONE_SITE_OUT),
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
    predictor: ResponsePredictor, cohort: Cohort, progress: Progress | None
) -> tuple[FloatArray, int]:
    """Return the chances that a model gives, shape (n,), and for how many it would not answer."""
    wanted, members = predictor.document.connectome, cohort.trained_on()
    scans = PatientScans(wanted.quality, cohort.folder, wanted.node_table)
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
