"""`tms-response update`: the least change of a model that local outcomes ask for.

What leaves the place of the outcomes is `LocalUpdate`: two numbers, how sure they are, and how many
patients they rest on. It can be carried elsewhere and applied there, so that no patient's data need
to be moved.
"""

from pathlib import Path
from typing import Final

import numpy as np
from pydantic import ValidationError
from scipy.stats import norm

from data_schemas.errors import DataError, UsageError, field_problems
from serving.predictor import ResponsePredictor
from serving.update_document import LocalUpdate
from training.learning.rows import FloatArray
from training.updating.closed_test import Update, choose_update
from training.updating.local_outcomes import LocalOutcomes

_SEED: Final = 7


def local_update(
    predictor: ResponsePredictor, outcomes: LocalOutcomes, place: str
) -> tuple[Update, LocalUpdate | None]:
    """Return the update that was chosen, and what it says of itself; None where nothing changes.

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
    return update, LocalUpdate(
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
    )


def updated_predictor(predictor: ResponsePredictor, update: LocalUpdate) -> ResponsePredictor:
    """Return the updated model.

    The replicates behind the stability interval move with it, and each by a normal draw of the
    update's own error: the interval covers how the level would move with other local patients.

    Raises
    ------
    DataError
        When the update is of another model.
    """
    version = predictor.identity.version
    if update.parent != version:
        raise DataError(
            f"The update is of model version {update.parent}, and this is {version}; name the "
            "model that it was estimated for."
        )
    spread = predictor.document.interval.spread
    shifts = _normal_scores(spread.n_replicates) if spread is not None else None
    return predictor.with_update(update, None if shifts is None else update.level_error * shifts)


def _normal_scores(n: int) -> FloatArray:
    """Return n normal quantiles in a mixed order: a sample with no chance in its spread."""
    scores: FloatArray = norm.ppf((np.arange(n) + 0.5) / n)
    return np.random.default_rng(_SEED).permutation(scores)


def write_update(update: LocalUpdate, path: Path) -> None:
    """Write an update for use elsewhere: JSON, without any patient's data."""
    path.write_text(update.model_dump_json(indent=1) + "\n", encoding="utf-8", newline="\n")


def read_update(path: Path) -> LocalUpdate:
    """Read an update.

    Raises
    ------
    DataError
        When it is none.
    """
    try:
        return LocalUpdate.model_validate_json(path.read_bytes())
    except OSError:
        raise UsageError(f"{path} cannot be read; name a file that --estimate wrote.") from None
    except ValidationError as error:
        message = f"{path} is not an update; name a file that --estimate wrote."
        raise DataError(message, field_problems(error)) from None
