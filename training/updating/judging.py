"""How an update fares on patients whom it was not estimated on, beside the model before."""

from typing import Final

import numpy as np

from training.learning.models import probability
from training.learning.rows import FloatArray, IntArray
from training.performance.held_out import HeldOut
from training.promotion.comparison import compare
from training.promotion.evidence import DRAWING, Evidence
from training.updating.closed_test import apart, parted
from training.updating.local_outcomes import LocalOutcomes

# A choice: a fifth of the patients can spare four fifths of an update of two numbers.
FOLDS: Final = 5
_SEED: Final = 7


def judge_update(outcomes: LocalOutcomes, place: str) -> Evidence:
    """Compare the model before with updates that were each chosen without the patients judged.

    What is judged is the whole procedure, with the choice of the method in it. Patients are ranked
    within the folds for both models: an update with a positive slope changes no order.

    Parameters
    ----------
    outcomes : LocalOutcomes
    place : str
        Where they are from, in the user's words.
    """
    fold = parted(outcomes.y, FOLDS, _SEED)
    updated = apart(outcomes.y, outcomes.log_odds, fold)
    return Evidence(
        f"of {place} with a known outcome, each by an update that was estimated without the "
        f"patient ({FOLDS} folds)",
        len(outcomes.y),
        int(np.count_nonzero(outcomes.y)),
        outcomes.fingerprint,
        compare(
            _held_out(outcomes, updated, fold),
            _held_out(outcomes, outcomes.log_odds, fold),
            DRAWING,
            by_site=False,
        ),
    )


def _held_out(outcomes: LocalOutcomes, log_odds: FloatArray, fold: IntArray) -> HeldOut:
    n = len(outcomes.y)
    return HeldOut(
        row=np.arange(n),
        y=outcomes.y,
        site=np.full(n, ""),
        probability=probability(log_odds)[None, :],
        fold=fold[None, :],
        has_connectome=np.zeros(n, dtype=np.bool_),
    )
