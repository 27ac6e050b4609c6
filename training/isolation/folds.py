"""A fit on the training rows must be the same, to the last bit, whatever the other rows hold."""

import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from data_schemas.errors import UsageError
from training.isolation.alterations import Data, Table, Values, alterations, redrawn
from training.isolation.leaks import Leak, LeakReport, Splits, What, counted, parts_of
from training.isolation.state import changed_parts, fitted_state
from training.learning.rows import IntArray

# Receives everything, as a script does: X, y, site, the rows to learn from, those held out.
Fit = Callable[[Any, Any, Any, IntArray, IntArray], object]

_PREDICT: Final = ("log_odds", "decision_function", "predict_proba", "predict", "transform")
_LISTED: Final = 3


class Estimator(Protocol):
    """Anything with the interface of scikit-learn."""

    def get_params(self, deep: bool = ...) -> dict[str, Any]:
        """Return the settings."""

    def fit(self, X: Any, y: Any) -> Any:  # noqa: ANN401
        """Learn."""


class _Change(NamedTuple):
    """How an alteration showed: in these parts, or in that the fit stopped with an error."""

    how: str
    parts: list[str]
    error: str | None = None


def check_fold_isolation(
    pipeline: Estimator | Fit,
    X: npt.ArrayLike | pd.DataFrame,
    y: npt.ArrayLike,
    site: npt.ArrayLike | None,
    splits: Splits,
    *,
    seed: int = 0,
) -> LeakReport:
    """Alter held-out rows in several ways and tell whether that changes what is learned.

    Features are permuted, redrawn, shifted and (where X has missing values) emptied; outcomes are
    permuted, exchanged and made equal; sites are exchanged and renamed. Every row outside the
    training part is altered. Compared are all parts of the fitted object, and what it predicts for
    the training rows, bit for bit. A fit that stops when held-out rows are altered has read them,
    and that counts as a change.

    Each split is fitted up to ten times, the first one twice more: to see that equal fits are
    equal, and that the training rows do matter.

    Parameters
    ----------
    pipeline : estimator, or callable
        An estimator is cloned and fitted on the training rows; only what it carries with it can
        leak. A callable `fit(X, y, site, train, test)` receives everything, as a script does, and
        returns what it learned: an object, a tuple or dict of objects, or a function that predicts.
        It must only fit: a score of the held-out rows among what it returns would change.
    X : array_like or DataFrame, shape (n, p)
        Handed on as an array or DataFrame.
    y : array_like, shape (n,)
        Handed on as an array, as is `site`.
    site : array_like, shape (n,), or None
        None leaves sites out of the test.
    splits : iterable of Split, or of (train, test)
        As scikit-learn's splitters give them.
    seed : int
        Of the alterations.

    Returns
    -------
    LeakReport
        A leak for each split and each of X, y and site that reaches the fit.

    Raises
    ------
    UsageError
        When two equal fits differ, when nothing that is learned can be seen, or when the splits do
        not fit the rows.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import LeaveOneGroupOut
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 3)), rng.random(60) < 0.5
    >>> site = np.repeat(["north", "south"], 30)
    >>> splits = list(LeaveOneGroupOut().split(X, y, site))

    A pipeline that is fitted within the fold:

    >>> pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    >>> print(check_fold_isolation(pipeline, X, y, site, splits))
    No leak found in 2 splits, with 16 alterations of held-out rows.

    A scaler that has seen everyone. Held-out features move the coefficients:

    >>> def scaled_before_the_split(X, y, site, train, test):
    ...     Z = StandardScaler().fit_transform(X)
    ...     return LogisticRegression().fit(Z[train], y[train])
    >>> print(check_fold_isolation(scaled_before_the_split, X, y, site, splits[:1]))
    1 leak found in 1 split, with 8 alterations of held-out rows:
      - split 0: held-out X reaches the fit: fitted.coef_, fitted.intercept_, fitted.n_iter_ and \
predictions change when it is permuted, redrawn or shifted.

    A penalty that was chosen for the held-out rows. Their outcomes reach it as well:

    >>> def tuned_on_the_test_fold(X, y, site, train, test):
    ...     fits = [LogisticRegression(C=C).fit(X[train], y[train]) for C in (0.001, 1000)]
    ...     return max(fits, key=lambda fit: fit.score(X[test], y[test]))
    >>> sorted(check_fold_isolation(tuned_on_the_test_fold, X, y, site, splits).what)
    ['X', 'y']
    """
    data = Data(
        X if isinstance(X, pd.DataFrame) else np.asarray(X),
        np.asarray(y),
        None if site is None else np.asarray(site),
    )
    fit = _fit_of(pipeline)
    folds = [
        _Fold(fit, train, test, _rows(data.X, train))
        for train, test in parts_of(splits, len(data.y))
    ]
    _check_that_changes_show(folds[0], data, seed)
    leaks: list[Leak] = []
    n_alterations = 0
    for number, fold in enumerate(folds):
        before = fold.learned(data)
        unseen = np.setdiff1d(np.arange(len(data.y)), fold.train)
        changes: dict[What, list[_Change]] = defaultdict(list)
        for what, how, altered in alterations(data, unseen, np.random.default_rng([seed, number])):
            n_alterations += 1
            change = fold.change(before, how, altered)
            if change is not None:
                changes[what].append(change)
        leaks += [Leak(number, what, _sentence(what, found)) for what, found in changes.items()]
    tried = f"{counted(len(folds), 'split')}, with {n_alterations} alterations of held-out rows"
    return LeakReport(tried, tuple(leaks))


class _Fold(NamedTuple):
    """What is fitted on one split."""

    fit: Fit
    train: IntArray
    test: IntArray
    probe: Table

    def learned(self, data: Data) -> dict[str, str]:
        """Return digests of a fit and of its predictions for rows that are always the same."""
        fitted = self.fit(*data.copy(), self.train.copy(), self.test.copy())
        predictions = fitted_state(_predictions(fitted, self.probe))
        return fitted_state(fitted) | {"predictions": repr(sorted(predictions.items()))}

    def change(self, before: dict[str, str], how: str, altered: Data) -> _Change | None:
        """Return how a fit on altered data differs from an earlier one; None where it does not."""
        with warnings.catch_warnings():
            # Strange rows make strange fits; only whether they differ matters.
            warnings.simplefilter("ignore")
            try:
                after = self.learned(altered)
            except Exception as error:  # noqa: BLE001  # whatever a stranger's fit may raise
                return _Change(how, [], type(error).__name__)
        parts = changed_parts(before, after)
        return _Change(how, parts) if parts else None


def _fit_of(pipeline: Estimator | Fit) -> Fit:
    if not hasattr(pipeline, "get_params"):
        return pipeline

    def fit(X: Table, y: Values, _: object, train: IntArray, __: object) -> object:
        return clone(pipeline).fit(_rows(X, train), y[train])

    return fit


def _rows(X: Table, rows: IntArray) -> Table:
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


def _predictions(fitted: object, probe: Table) -> object:
    """Return what the object makes of some rows by itself; None where it needs more than those."""
    methods = [getattr(fitted, name) for name in _PREDICT if hasattr(fitted, name)]
    for predict in [*methods, *([fitted] if callable(fitted) else [])]:
        try:
            return predict(probe)
        except Exception:  # noqa: BLE001, S112  # whatever a stranger's object may raise
            continue
    return None


def _check_that_changes_show(fold: _Fold, data: Data, seed: int) -> None:
    first, second = fold.learned(data), fold.learned(data)
    if first != second:
        raise UsageError(
            f"Two fits on the same rows differ in {_listed(changed_parts(first, second))}, so that "
            "nothing can be said of altered rows. Fix the seed (random_state) and the number of "
            "threads of the pipeline."
        )
    others = redrawn(data, fold.train, np.random.default_rng(seed))
    if fold.change(first, "redrawn", others) is None:
        raise UsageError(
            "Altering the training rows changes nothing either, so that no leak could show. "
            "Return from the fit what it learned."
        )


def _sentence(what: What, changes: list[_Change]) -> str:
    parts = sorted({part for change in changes for part in change.parts})
    changed = [change.how for change in changes if change.parts]
    stopped = [f"{change.how} ({change.error})" for change in changes if change.error]
    said = []
    if changed:
        verb = "changes" if len(parts) == 1 else "change"
        said.append(f"{_listed(parts)} {verb} when it is {_joined(changed, 'or')}")
    if stopped:
        said.append(f"the fit stops when it is {_joined(stopped, 'or')}")
    return f"held-out {what} reaches the fit: {', and '.join(said)}."


def _listed(parts: list[str]) -> str:
    more = len(parts) - _LISTED
    return _joined(parts if more < 2 else [*parts[:_LISTED], f"{more} more parts"], "and")


def _joined(words: list[str], conjunction: str) -> str:
    return f" {conjunction} ".join([", ".join(words[:-1]), words[-1]] if words[:-1] else words)
