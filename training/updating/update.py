"""`tms-response update`: the least change of a model that local outcomes ask for.

What leaves the place of the outcomes is a `JudgedUpdate`: two numbers, how sure they are, how many
patients they rest on, and how they fared there. It can be carried elsewhere and applied there, so
that no patient's data need to be moved.
"""

from typing import Final

import numpy as np
from scipy.stats import norm

from data_schemas.errors import DataError
from serving.predictor import ResponsePredictor
from serving.update_document import LocalUpdate
from training.learning.rows import FloatArray
from training.promotion.judged_update import JudgedUpdate
from training.updating.card import updated_card
from training.updating.closed_test import Update, choose_update
from training.updating.judging import judge_update
from training.updating.local_outcomes import LocalOutcomes

_SEED: Final = 7


def local_update(
    predictor: ResponsePredictor, outcomes: LocalOutcomes, place: str
) -> tuple[Update, JudgedUpdate | None]:
    """Return the update that was chosen, and how it fared; None where nothing changes.

    Parameters
    ----------
    predictor : ResponsePredictor
        The model whose answers the outcomes are compared with.
    outcomes : LocalOutcomes
        Of patients whom it did not learn from.
    place : str
        Where they are from, in the user's words; it stands in the new model.

    Raises
    ------
    DataError
        When there are too few.
    """
    update = choose_update(outcomes.y, outcomes.log_odds)
    if update.method == "none":
        return update, None
    described = LocalUpdate(
        parent=predictor.identity.version,
        method=update.method,
        place=place,
        slope=update.slope,
        intercept=update.intercept,
        level_error=update.level_error,
        n_patients=update.n_patients,
        n_events=update.n_events,
        p_unchanged=update.p_unchanged,
        p_level=update.p_level,
        fingerprint=outcomes.fingerprint,
        since=outcomes.since,
    )
    return update, JudgedUpdate(update=described, evidence=judge_update(outcomes, update, place))


def updated_predictor(predictor: ResponsePredictor, update: LocalUpdate) -> ResponsePredictor:
    """Return the updated model; of one with models of the course, the one that the update is of.

    The replicates behind the stability interval move with it, and each by a normal draw of the
    update's own error: the interval covers how the level would move with other local patients.

    Raises
    ------
    DataError
        When the update is of another model.
    """
    members = {each.identity.version: each for each in (predictor, *predictor.landmarks)}
    member = members.get(update.parent)
    if member is None:
        raise DataError(
            f"The update is of model version {update.parent}, and this is "
            f"{' with '.join(members)}; name the model that it was estimated for."
        )
    spread = member.document.interval.spread
    shifts = _normal_scores(spread.n_replicates) if spread is not None else None
    errors = None if shifts is None else update.level_error * shifts
    updated = member.with_update(update, errors)
    updated.card = updated_card(member.card, updated, update)
    return predictor.with_member(update.parent, updated)


def _normal_scores(n: int) -> FloatArray:
    """Return n normal quantiles in a mixed order: a sample with no chance in its spread."""
    scores: FloatArray = norm.ppf((np.arange(n) + 0.5) / n)
    return np.random.default_rng(_SEED).permutation(scores)
