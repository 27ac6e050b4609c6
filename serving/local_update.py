"""What of an artefact changes when it is recalibrated on local outcomes."""

import numpy as np

from serving.booster_text import FloatArray
from serving.model_document import Calibration, ModelDocument, SpreadDocument
from serving.stability_interval import SpreadTable
from serving.update_document import LocalUpdate


def updated(
    document: ModelDocument,
    spread_text: str | None,
    update: LocalUpdate,
    shifts: FloatArray | None = None,
) -> tuple[ModelDocument, str | None]:
    """Return the document and `spread.json` of a recalibrated model.

    Parameters
    ----------
    document : ModelDocument
        Of the model before.
    spread_text : str or None
        Its `spread.json`.
    update : LocalUpdate
        The local share of those who reached the outcome becomes the base rate.
    shifts : ndarray of float, shape (replicates,), optional
        Log-odds by which each replicate behind the interval moves beside the update.
    """
    interval = document.interval
    if spread_text is not None and interval.spread is not None:
        table = SpreadTable.from_text(spread_text, len(document.features))
        moved = np.zeros(table.n_replicates) if shifts is None else shifts
        spread_text = table.updated(update.slope, moved).to_text()
        spread = SpreadDocument.of(spread_text, table.n_replicates)
        interval = interval.model_copy(update={"spread": spread})
    calibration = Calibration(
        slope=update.slope * document.calibration.slope,
        intercept=update.slope * document.calibration.intercept + update.intercept,
    )
    changed = {
        "calibration": calibration,
        "base_rate": update.n_events / update.n_patients,
        "interval": interval,
        "updates": (*document.updates, update),
    }
    return document.model_copy(update=changed), spread_text
