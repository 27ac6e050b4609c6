"""`held_out.csv`: the held-out predictions that `out_of_fold.csv` does not hold, in one tidy table.

`out_of_fold.csv` holds the patients who are learned from, for the outcome that is served. All other
rows of `evaluation.csv` that are made from predictions are made from these. The columns are those
of `out_of_fold.csv` and three more:

- `outcome`: `response` or `remission`, which the model learned and `y` tells;
- `split`: as in `evaluation.csv`, of the fits that predicted; what is judged as
  `<split>/arm=...` or `<split>/outcomes=...` is made from the rows of `<split>`;
- `group`: `judged` where the patient counts in the main rows of the split; otherwise the arm, such
  as `sham`, or `outcome unknown`, and `y` is then empty.

`row` counts patients from 1: those of `out_of_fold.csv` where the split is `temporal` or the group
is `judged`, the others of the cohort in every other group; and, where the split is `external`, the
patients of the other study, those of unknown outcome after the rest.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
import pandas as pd

from training.dataset import JUDGED
from training.learning.rows import SiteArray
from training.learning.splits import SINGLE_PATIENT_SITES
from training.learning.validation import PREDICTION_COLUMNS

HELD_OUT_COLUMNS: Final = ("outcome", "split", "group", *PREDICTION_COLUMNS)


def held_out_table(
    predictions: pd.DataFrame, *, outcome: str, split: str, sites: SiteArray | None = None
) -> pd.DataFrame:
    """Return predictions with the columns of the file.

    Parameters
    ----------
    predictions : DataFrame
        Columns as of `out_of_fold_frame`; `group` where some of the patients are not judged.
    outcome, split : str
        What the fits learned, and which split they are of.
    sites : ndarray of str, optional
        Names that `out_of_fold.csv` tells anyhow. Other sites of one patient are put together, as
        they are there.
    """
    labelled = predictions.assign(outcome=outcome, split=split)
    if "group" not in labelled:
        labelled["group"] = JUDGED
    labelled["site"] = _without_single_patients(labelled, np.array([]) if sites is None else sites)
    return labelled[list(HELD_OUT_COLUMNS)]


def joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return all of them one below the other; without rows where there is none."""
    held = [table for table in tables if len(table)]
    if not held:
        return pd.DataFrame(columns=list(HELD_OUT_COLUMNS))
    # An unknown y is empty, a known one a whole number, whichever tables stand beside each other.
    return pd.concat([table.astype({"y": "Int64"}) for table in held], ignore_index=True)


def _without_single_patients(predictions: pd.DataFrame, sites: SiteArray) -> "pd.Series[str]":
    patients = predictions.drop_duplicates(["group", "row"])
    counts = patients["site"].value_counts()
    told = set(counts[counts > 1].index) | set(sites.tolist())
    return predictions["site"].where(predictions["site"].isin(told), SINGLE_PATIENT_SITES)
