"""What a check looks at, and what a check is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from serving.model_document import ModelDocument
from training.cohort.records import Cohort, Severity
from training.dataset import TrainingTable
from training.learning.models import BASE_RATE
from training.learning.splits import LEAVE_ONE_SITE_OUT, REPEATED_NESTED_CV
from training.learning.validation import served_model
from training.report.tables import Estimate
from training.summary import Finding


@dataclass(frozen=True)
class Evidence:
    """A finished run.

    Attributes
    ----------
    cohort : Cohort
    table : TrainingTable
    evaluation : DataFrame
        `evaluation.csv`; where it has a column `outcome`, only the rows of the document's outcome
        are looked at.
    models : tuple of str
        Those that were compared.
    document : ModelDocument
    """

    cohort: Cohort
    table: TrainingTable
    evaluation: pd.DataFrame
    models: tuple[str, ...]
    document: ModelDocument

    @cached_property
    def scalars(self) -> pd.DataFrame:
        """Rows without threshold, of the document's outcome."""
        rows = self.evaluation
        if "threshold" in rows:
            rows = rows[rows["threshold"].isna()]
        if "outcome" in rows:
            rows = rows[rows["outcome"] == self.document.outcome.kind]
        return rows

    @cached_property
    def split(self) -> str:
        """The primary split."""
        by_site = self.scalars["split"].str.startswith(LEAVE_ONE_SITE_OUT).any()
        return LEAVE_ONE_SITE_OUT if by_site else REPEATED_NESTED_CV

    @property
    def model(self) -> str:
        """The served model; where it gives everyone the base rate, the last that was compared."""
        served = served_model(self.models)
        return served if served != BASE_RATE else self.models[-1]

    def estimate(self, metric: str, split: str, model: str = "") -> Estimate | None:
        """Return one row; None where there is none.

        Parameters
        ----------
        metric, split : str
            As in the table.
        model : str
            `self.model` without it.
        """
        rows = self.scalars
        found = rows[
            (rows["model"] == (model or self.model))
            & (rows["split"] == split)
            & (rows["metric"] == metric)
        ]
        return None if found.empty else _estimate(found.iloc[0])

    def overall(self, metric: str, model: str = "") -> Estimate | None:
        """Return a measure of the primary split: within its sites where there is such a row."""
        within = self.estimate(metric, f"{self.split}/within_site", model)
        return within or self.estimate(metric, self.split, model)

    def splits(self, prefix: str) -> list[str]:
        """Return the splits whose names begin so, sorted."""
        names = self.scalars["split"]
        return sorted(set(names[names.str.startswith(prefix)]))


def _estimate(row: "pd.Series[float]") -> Estimate:
    return Estimate(float(row["estimate"]), float(row["lower"]), float(row["upper"]), int(row["n"]))


@dataclass(frozen=True)
class Check:
    """One thing to look for.

    Attributes
    ----------
    code : str
        TMS and three digits; never given to another check.
    title : str
        What is found, in a few words.
    severity : {"error", "warning", "note"}
        `error`: the result is not to be believed until this is mended or explained. `warning`: it
        limits what may be concluded. `note`: worth knowing.
    meaning, remedy : str
        What it means, and what to do, in sentences.
    reference : str
        Where one may read on; empty where nothing needs a source.
    find : callable
        Yields a sentence for each time that it is found.
    """

    code: str
    title: str
    severity: Severity
    meaning: str
    remedy: str
    reference: str
    find: Callable[[Evidence], Iterator[str]]

    def finding(self, message: str, *, ignored: bool = False) -> Finding:
        """Return one sentence of `find` with all that the reader needs beside it."""
        return Finding(
            code=self.code,
            severity=self.severity,
            title=self.title,
            message=message,
            remedy=self.remedy,
            reference=self.reference,
            ignored=ignored,
        )
