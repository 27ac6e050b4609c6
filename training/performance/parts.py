"""What is measured in parts of the patients (levels of a subgroup, arms), all in the same draws."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from training.learning.rows import BoolArray
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.performance import measures
from training.performance.judge import Judge, Row
from training.performance.level_slopes import slopes_of_parts
from training.performance.measures import MeasureSet, measure_set
from training.performance.resampling import Sampled, among, resample
from training.performance.site_summary import FEWEST_EVENTS
from training.small_cells import SMALLEST_CELL


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the patients.

    Attributes
    ----------
    name : str
        The level or the arm.
    judge : Judge
        Of these patients, under their own split.
    member : ndarray of bool, shape (n,)
        Who they are among all patients; parts do not overlap.
    """

    name: str
    judge: Judge
    member: BoolArray

    @property
    def is_judged(self) -> bool:
        """Whether enough patients reached the outcome, and enough did not, to show more than Brier.

        The rest would tell how many did.
        """
        return self.judge.held.smaller_class >= SMALLEST_CELL

    def events_row(self) -> Row:
        """Return the row that counts events."""
        return self.judge.row("events", float(np.count_nonzero(self.judge.held.y)))


def sample_parts(judge: Judge, parts: Sequence[Part], name: str) -> list[list[Sampled]]:
    """Return Brier score, mean calibration, slope and AUROC of each part, where they are defined.

    Parameters
    ----------
    judge : Judge
        Of all patients, under the split whose fits predicted them.
    name : str
        Of what is drawn.
    """
    held = judge.held
    codes = sum((number * part.member for number, part in enumerate(parts, 1)), np.zeros(held.n))
    codes = codes.astype(np.int64)
    sloped = [part for part in parts if part.is_judged and held.varies_within_folds]
    by_site = judge.split.startswith(LEAVE_ONE_SITE_OUT)
    slopes = slopes_of_parts(held, [part.member for part in sloped], by_group=by_site)
    *free, slope = resample(
        [*(among(part.member, _free(part)) for part in parts), slopes],
        codes, judge.drawing, f"{name}|free",
    )  # fmt: skip
    ranked = resample(
        [among(part.member, _ranking(part)) for part in parts],
        2 * codes + held.y, judge.drawing, f"{name}|by outcome",
    )  # fmt: skip
    slope_of = dict(zip([part.name for part in sloped], slope, strict=True))
    return [
        [*one, *([slope_of[part.name]] if part.name in slope_of else []), *other]
        for part, one, other in zip(parts, free, ranked, strict=True)
    ]


def _free(part: Part) -> MeasureSet:
    held = part.judge.held
    more = [measures.mean_calibration] if part.is_judged else []
    return measure_set(held, held.fold, measures.score, *more)


def _ranking(part: Part) -> MeasureSet:
    held = part.judge.held
    enough = held.comparable_class >= FEWEST_EVENTS
    return measure_set(held, held.fold, *([measures.ranking] if enough else []))


def difference_rows(
    judge: Judge, split: str, parts: tuple[Part, Part], sampled: tuple[Sampled, Sampled]
) -> Iterator[Row]:
    """Yield the first part's value minus the second's, named as the first's measure is."""
    first, second = sampled
    difference = first._replace(
        estimate=first.estimate - second.estimate, draws=first.draws - second.draws
    )
    both = judge.part(split, parts[0].member | parts[1].member)
    yield from both.sampled_rows([difference])
