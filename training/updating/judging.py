"""How an update fares on patients whom it was not estimated on, beside the model before."""

from typing import Final

import numpy as np

from training.learning.models import probability
from training.learning.rows import FloatArray
from training.performance.held_out import HeldOut
from training.promotion.comparison import AUROC, Compared, compare
from training.promotion.evidence import DRAWING, Evidence
from training.updating.closed_test import Update, apart, parted
from training.updating.local_outcomes import LocalOutcomes

# A choice: a fifth of the patients can spare four fifths of an update of two numbers.
FOLDS: Final = 5
_SEED: Final = 7


def judge_update(outcomes: LocalOutcomes, update: Update, place: str) -> Evidence:
    """Compare the model before with the update, each patient by numbers estimated without him.

    The AUROC is that of the whole models: an update changes nobody's place, or gives all the same.

    Parameters
    ----------
    outcomes : LocalOutcomes
    update : Update
        That was chosen on them.
    place : str
        Where they are from, in the user's words.
    """
    fold = parted(outcomes.y, FOLDS, _SEED)
    estimated_apart = apart(outcomes.y, outcomes.log_odds, fold, update.method)
    scored = _compared(outcomes, estimated_apart)
    ranked = _compared(outcomes, update.log_odds(outcomes.log_odds))
    return Evidence(
        f"of {place} with a known outcome, each by an update that was estimated without the "
        f"patient ({FOLDS} folds)",
        len(outcomes.y),
        int(np.count_nonzero(outcomes.y)),
        outcomes.fingerprint,
        (
            *(each for each in scored if each.metric != AUROC),
            *(each for each in ranked if each.metric == AUROC),
        ),
    )


def _compared(outcomes: LocalOutcomes, updated: FloatArray) -> tuple[Compared, ...]:
    before = _held_out(outcomes, outcomes.log_odds)
    return compare(_held_out(outcomes, updated), before, DRAWING, by_site=False)


def _held_out(outcomes: LocalOutcomes, log_odds: FloatArray) -> HeldOut:
    n = len(outcomes.y)
    return HeldOut(
        row=np.arange(n),
        y=outcomes.y,
        site=np.full(n, ""),
        probability=probability(log_odds)[None, :],
        fold=np.zeros((1, n), dtype=np.int64),
        has_connectome=np.zeros(n, dtype=np.bool_),
    )
