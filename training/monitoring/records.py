"""The ledger's predictions of one model, and what became of the patients."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd

from data_schemas.errors import DataError
from data_schemas.instruments import get_instrument
from data_schemas.outcome import Outcome
from serving.ledger.export import FEATURE_PREFIX
from serving.model_document import ModelDocument
from training.learning.rows import BoolArray, FloatArray, IntArray

_SEVERITY: Final = FEATURE_PREFIX + "depression_severity"
# Six weeks of treatment and two of delay; a choice.
DUE_AFTER: Final = timedelta(weeks=8)


@dataclass(frozen=True)
class Records:
    """What a model answered, in the order in which it was asked, and the known outcomes.

    Attributes
    ----------
    prediction_id : list of str, length n
        As the ledger and the outcome reports name them.
    features : ndarray, shape (n, p)
        In the order of the model's features, NaN where unknown.
    probability : ndarray, shape (n,)
        NaN where the model abstained.
    recorded_at : list of datetime, length n
        When it was answered.
    notices : list of set of str, length n
        Codes of the notices beside the answer.
    known : ndarray of int, shape (k,)
        Positions of the predictions with a probability and an outcome, in the order in which the
        patients were rated; each rating once.
    y : ndarray of bool, shape (k,)
        Whether these reached the outcome.
    rated_on : list of date, length k
        When.
    n_due : int
        Predictions with a probability that are old enough for an outcome to be expected.
    n_due_known : int
        Those of them whose outcome is known.
    n_unusable : int
        Outcomes reported as a total beside which the total before treatment is not known.
    """

    prediction_id: list[str]
    features: FloatArray
    probability: FloatArray
    recorded_at: list[datetime]
    notices: list[set[str]]
    known: IntArray
    y: BoolArray
    rated_on: list[object]
    n_due: int
    n_due_known: int
    n_unusable: int

    @property
    def abstained(self) -> BoolArray:
        """Whether the model declined to answer, shape (n,)."""
        return np.isnan(self.probability)

    @property
    def predicted(self) -> FloatArray:
        """What had been predicted of the patients with a known outcome, shape (k,)."""
        return self.probability[self.known]


def records_of(
    table: pd.DataFrame, document: ModelDocument, version: str, now: datetime
) -> Records:
    """Take one model's predictions out of a ledger.

    Parameters
    ----------
    table : DataFrame
        As `serving.ledger.export.ledger_table` returns it.
    document : ModelDocument
        The model.
    version : str
        As it stands in its predictions.
    now : datetime
        With a zone.

    Raises
    ------
    DataError
        When the ledger holds no prediction of this version.
    """
    own = table[table["model_version"] == version].reset_index(drop=True)
    if own.empty:
        raise DataError(
            f"The ledger holds no prediction of model version {version}. Name the model that was "
            "served with --model, the ledger that it wrote with TMS_RESPONSE_LEDGER_URL, or an "
            "earlier day with --since."
        )
    probability = own["probability"].to_numpy(dtype=np.float64)
    responses = _responses(own, document)
    answered = ~np.isnan(probability)
    due = answered & np.array([now - moment >= DUE_AFTER for moment in own["recorded_at"]])
    found = answered & responses.notna().to_numpy()
    reported = own["final_total"].notna().to_numpy()
    order = _rated_once(own[found])
    return Records(
        prediction_id=list(own["prediction_id"]),
        features=_features(own, document),
        probability=probability,
        recorded_at=list(own["recorded_at"]),
        notices=[set(codes.split()) for codes in own["notices"]],
        known=order,
        y=responses.iloc[order].to_numpy(dtype=bool),
        rated_on=list(own["measured_on"].iloc[order]),
        n_due=int(due.sum()),
        n_due_known=int((due & found).sum()),
        n_unusable=int((answered & reported & responses.isna().to_numpy()).sum()),
    )


def _rated_once(found: pd.DataFrame) -> IntArray:
    """Return the positions of predictions in the order of rating; one of a patient and a day.

    Somebody who was asked about twice, and rated once, has one outcome: of the first prediction.
    """
    rated = found.sort_values("measured_on", kind="stable")
    again = rated.duplicated(["pseudonym", "measured_on"]) & rated["pseudonym"].notna()
    return rated.index[~again].to_numpy(dtype=np.int64)


def _features(own: pd.DataFrame, document: ModelDocument) -> FloatArray:
    columns = [FEATURE_PREFIX + feature.name for feature in document.features]
    return own.reindex(columns=columns).astype(float).to_numpy()


def _responses(own: pd.DataFrame, document: ModelDocument) -> "pd.Series[bool]":
    """Return whether each patient reached the outcome; None where that is not known."""
    said = own["responded"].astype(object)
    scored = own["final_total"].notna() & said.isna()
    if not scored.any():
        return said
    instrument = get_instrument(document.outcome.instrument)
    width = instrument.maximum - instrument.minimum
    severity = own.get(_SEVERITY, pd.Series(np.nan, index=own.index)).astype(float)
    baseline = (instrument.minimum + severity * width).round(6)
    usable = scored & (baseline > instrument.minimum)
    for row in own.index[usable]:
        outcome = Outcome(
            instrument=instrument.name,
            baseline_total=baseline[row],
            final_total=float(own.loc[row, "final_total"]),
        )
        said[row] = outcome.achieved(document.outcome.kind)
    return said
