"""Differences between models over repeated folds, by the corrected resampled t.

Folds of repeated cross-validation share most of their training patients, so the usual t of their
differences is far too sure. Nadeau and Bengio (2003, Machine Learning 52:239,
doi:10.1023/A:1024068626366) replace its variance `s^2 / k` by `(1 / k + n_test / n_train) s^2`;
Bouckaert and Frank (2004, PAKDD, doi:10.1007/978-3-540-24775-3_3) do so for repeated folds. What
the paired bootstrap does not see, and this does, is that models fitted to other patients would
differ; with few patients a fold it is the wider of the two.
"""

from collections.abc import Iterator

import numpy as np
from scipy.stats import t

from training.learning.rows import FloatArray
from training.performance.discrimination import placements
from training.performance.held_out import HeldOut
from training.performance.judge import Judge, Row
from training.performance.metrics import brier, unit_weights


def corrected_resampled_t(
    differences: FloatArray, test_to_train: float, confidence: float
) -> tuple[float, float, float]:
    """Return the mean difference and its interval.

    Parameters
    ----------
    differences : ndarray, shape (k,)
        One a fold, of all repeats; at least two.
    test_to_train : float
        Patients judged in a fold over patients learned from, such as 1/4 with five folds.
    confidence : float
        Such as 0.95; t has k - 1 degrees of freedom.
    """
    k, mean = len(differences), float(np.mean(differences))
    variance = (1 / k + test_to_train) * float(np.var(differences, ddof=1))
    reach = float(t.ppf((1 + confidence) / 2, k - 1)) * variance**0.5
    return mean, mean - reach, mean + reach


def corrected_t_rows(judge: Judge, second: HeldOut) -> Iterator[Row]:
    """Yield the differences of the judged model minus a second one; none with fewer than two folds.

    AUROC is compared in the folds that hold both outcomes.
    """
    first = judge.held
    aurocs, briers, ratios = [], [], []
    for repeat, fold in _folds(first):
        member = first.fold[repeat] == fold
        pair = [held.of(member) for held in (first, second)]
        ratios.append(pair[0].n / (first.n - pair[0].n))
        scores = [brier(held.y, held.probability[repeat], unit_weights(held.n)) for held in pair]
        briers.append(float(scores[0][0] - scores[1][0]))
        if pair[0].has_both_outcomes:
            aurocs.append(_auroc(pair[0], repeat) - _auroc(pair[1], repeat))
    for metric, found in (("auroc", aurocs), ("brier", briers)):
        if len(found) > 1:
            summary = corrected_resampled_t(
                np.array(found), float(np.mean(ratios)), judge.confidence
            )
            yield judge.row(f"{metric}_corrected_t", *summary)


def _folds(held: HeldOut) -> list[tuple[int, int]]:
    return [
        (repeat, int(code))
        for repeat, folds in enumerate(held.fold)
        for code in np.unique(folds)
        if (folds != code).any()
    ]


def _auroc(held: HeldOut, repeat: int) -> float:
    one_group = np.zeros(held.n, dtype=np.int64)
    ranked = placements(held.y, held.probability[repeat], one_group, unit_weights(held.n))
    return float(ranked.auroc[0])
