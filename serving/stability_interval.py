"""How far a prediction moves when the cohort is drawn again, looked up instead of refitted.

`spread.json` is a compact form of replicates of the whole training pipeline, each fitted on a
bootstrap sample of the training patients. A replicate's distance from the served log-odds is held
as a sum over features of a step function of each, with a value of its own where the feature is
unknown: the best such sum in the eyes of least squares, see `training.stability.spread`. All
replicates are evaluated at once, by adding up rows of one table, in less than ten microseconds;
the replicates themselves would take several milliseconds.

The table holds whole thousandths of log-odds, whose sums are exact in any order, so that the same
patient gets the same interval on every machine. No cut parts off fewer than 20 patients.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from data_schemas.errors import ModelError
from serving.booster_text import FloatArray
from serving.questions import BoolArray, Questions, just_below

THOUSANDTHS: Final = 1000
# Single precision holds whole numbers, and so their sums, exactly up to 2^24.
_LARGEST_SUM: Final = 2**24


@dataclass(frozen=True)
class SpreadTable:
    """The content of `spread.json`.

    Attributes
    ----------
    cuts : sequence of ndarray of float, length p
        Of each feature: values from which on a step is added, ascending.
    start : ndarray of int, shape (replicates,)
        Thousandths of log-odds above the served ones where every feature is known and below its
        first cut.
    steps : ndarray of int, shape (all cuts, replicates)
        Thousandths added at each cut, feature by feature.
    unknown : ndarray of int, shape (p, replicates)
        Thousandths added where the feature is unknown, instead of its steps.
    """

    cuts: Sequence[FloatArray]
    start: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.int64]

    @property
    def n_replicates(self) -> int:
        """How many bootstraps of the pipeline."""
        return len(self.start)

    def to_text(self) -> str:
        """Return the table as JSON, one row a line: the same bytes for the same numbers."""
        parts = {
            "cuts": [each.tolist() for each in self.cuts],
            "start": [self.start.tolist()],
            "steps": self.steps.tolist(),
            "unknown": self.unknown.tolist(),
        }
        lines = [f'"{name}": [{_lines(rows)}]' for name, rows in parts.items()]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def updated(self, slope: float, shifts: FloatArray) -> "SpreadTable":
        """Return the table around log-odds that were multiplied by `slope`.

        Parameters
        ----------
        slope : float
            At least 0.
        shifts : ndarray of float, shape (replicates,)
            Log-odds that are added to each replicate.
        """
        start, steps, unknown = (
            np.rint(part).astype(np.int64)
            for part in (
                slope * self.start + THOUSANDTHS * shifts,
                slope * self.steps,
                slope * self.unknown,
            )
        )
        return SpreadTable(self.cuts, start, steps, unknown)

    @classmethod
    def from_text(cls, text: str, n_features: int) -> "SpreadTable":
        """Parse and check a table.

        Raises
        ------
        ModelError
            When the text is not a complete table over `n_features` features.
        """
        try:
            content = json.loads(text)
            cuts = [np.array(each, dtype=np.float64) for each in content["cuts"]]
            start = _whole(content["start"], 0)[0]
            rest = (_whole(content[name], len(start)) for name in ("steps", "unknown"))
            table = cls(cuts, start, *rest)
            sound = table._is_sound(n_features)
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
            sound = False
        if not sound:
            raise ModelError(
                f"spread.json does not hold a table over {n_features} features; "
                "copy or train the model again."
            )
        return table

    def _is_sound(self, n_features: int) -> bool:
        replicates, n_cuts = len(self.start), sum(map(len, self.cuts))
        shapes = (self.start.shape, self.steps.shape, self.unknown.shape)
        if replicates < 1 or len(self.cuts) != n_features:
            return False
        if shapes != ((replicates,), (n_cuts, replicates), (n_features, replicates)):
            return False
        largest = sum(float(np.abs(part).sum(axis=0).max()) for part in (self.steps, self.unknown))
        return largest + float(np.abs(self.start).max()) < _LARGEST_SUM and all(
            each.ndim == 1 and np.isfinite(each).all() and (np.diff(each) > 0).all()
            for each in self.cuts
        )


class ReplicateSpread:
    """How far the replicates' log-odds of a patient lie from the served ones, from a table.

    Parameters
    ----------
    table : SpreadTable
        Checked.

    Attributes
    ----------
    questions : Questions
        Whether each feature is known, and has reached each of its cuts.
    n_replicates : int
    """

    def __init__(self, table: SpreadTable) -> None:
        self.n_replicates = table.n_replicates
        # Of each feature: whether it is known, the cuts from the lowest on, and a last question
        # without a yes. The last yes of a feature says between which cuts it lies.
        limits = [[-np.inf, *just_below(cuts), np.nan] for cuts in table.cuts]
        columns = np.repeat(np.arange(len(limits)), [len(each) for each in limits])
        self.questions = Questions.of(columns, np.concatenate(limits), above=True)
        # As if all were unknown; each row turns one feature into a known one.
        self._start = (table.start + table.unknown.sum(axis=0)).astype(np.float32)
        ends = np.cumsum([len(cuts) for cuts in table.cuts])[:-1]
        never = np.zeros_like(table.start)
        parts = [
            part
            for steps, unknown in zip(np.split(table.steps, ends), table.unknown, strict=True)
            for part in ([-unknown], steps.cumsum(axis=0) - unknown, [never])
        ]
        self._table = np.concatenate(parts)[:-1].astype(np.float32)
        self._ones = np.ones(len(table.cuts), dtype=np.float32)

    def thousandths(
        self, X: FloatArray, answers: BoolArray | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the distances of the replicates from the served log-odds, in no order.

        Parameters
        ----------
        X : ndarray of float64, shape (p,) or (n, p)
            Features of one patient or several, NaN where unknown.
        answers : ndarray of bool, shape (q,) or (n, q), optional
            To `questions`, where they are known.

        Returns
        -------
        ndarray of float32, shape (replicates,) or (n, replicates)
            Whole thousandths of log-odds.
        """
        answers = self.questions.answers(X) if answers is None else answers
        # Both are exact: whole numbers, whatever the order in which they are added up.
        if X.ndim == 1:
            # One patient needs a tenth of the table, which is larger than the nearest cache.
            last_yes = (answers[:-1] > answers[1:]).nonzero()[0]
            rows = self._table.take(last_yes, axis=0)
            thousandths: npt.NDArray[np.float32] = self._ones[: len(rows)].dot(rows)
        else:
            is_last_yes = answers[:, :-1] > answers[:, 1:]
            thousandths = is_last_yes.astype(np.float32) @ self._table
        thousandths += self._start
        return thousandths


def _lines(rows: list[list[float]]) -> str:
    return ",\n".join(json.dumps(row, separators=(",", ":"), allow_nan=False) for row in rows)


def _whole(rows: list[list[int]], width: int) -> npt.NDArray[np.int64]:
    # Without rows NumPy could not tell how long they are.
    numbers = np.array(rows) if rows else np.empty((0, width), dtype=np.int64)
    if not np.issubdtype(numbers.dtype, np.integer):
        raise ValueError("whole numbers only")
    return numbers.astype(np.int64)
