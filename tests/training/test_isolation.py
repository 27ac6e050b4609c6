# ruff: noqa: ARG001  # a fit receives everything, whether it needs it or not
import doctest
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from data_schemas.errors import TmsResponseError, UsageError
from training import isolation
from training.isolation import (
    IsolationError,
    apart,
    check_duplicates_apart,
    check_fold_isolation,
    check_patients_apart,
    folds,
    leaks,
    state,
)
from training.isolation.alterations import Data, alterations
from training.isolation.state import changed_parts, fitted_state
from training.learning.rows import IntArray
from training.learning.splits import Split

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
y = X[:, 0] + RNG.normal(size=60) > 0
site = np.repeat(["north", "south", "west"], 20)
SPLITS = list(LeaveOneGroupOut().split(X, y, site))
SPLIT = SPLITS[:1]


def what(fit: Any, features: Any = X, sites: Any = site) -> frozenset[str]:
    return check_fold_isolation(fit, features, y, sites, SPLIT).what


CLEAN = {
    "scaled logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    "grid search": GridSearchCV(
        make_pipeline(SelectKBest(k=2), LogisticRegression()), {"selectkbest__k": [1, 2]}, cv=2
    ),
    "forest": RandomForestClassifier(n_estimators=3, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=3, random_state=0),
    "calibrated": CalibratedClassifierCV(LogisticRegression(), cv=2),
    "LightGBM": lightgbm.LGBMClassifier(
        n_estimators=3, min_child_samples=5, n_jobs=1, deterministic=True, verbosity=-1
    ),
}


@pytest.mark.parametrize("name", CLEAN)
def test_estimators_fitted_in_the_fold_are_isolated(name: str) -> None:
    assert what(CLEAN[name]) == frozenset()


def test_an_estimator_that_carries_everyone_with_it_is_found() -> None:
    def scaled_before(X: Any, y: Any, site: Any, train: IntArray, test: IntArray) -> object:
        centre = X.mean(axis=0)
        pipeline = make_pipeline(FunctionTransformer(lambda Z: Z - centre), LogisticRegression())
        return pipeline.fit(X[train], y[train])

    assert what(scaled_before) == {"X"}


def by_outcome(X: Any, y: Any, site: Any, train: IntArray, test: IntArray) -> object:
    return LogisticRegression().fit(X[train], y[train]), float(np.mean(y))


def by_site(X: Any, y: Any, site: Any, train: IntArray, test: IntArray) -> object:
    return LogisticRegression().fit(X[train], y[train]), OneHotEncoder().fit(site[:, None])


def by_missing_site(X: Any, y: Any, site: Any, train: IntArray, test: IntArray) -> object:
    weights = {name: 1 / np.sum(site == name) for name in np.unique(site[train])}
    sample_weight = [weights[name] for name in site[train]]
    return LogisticRegression().fit(X[train], y[train], sample_weight)


def early_stopped(X: Any, y: Any, site: Any, train: IntArray, test: IntArray) -> object:
    data = lightgbm.Dataset(X[train], y[train].astype(float))
    watched = lightgbm.Dataset(X[test], y[test].astype(float), reference=data)
    stop = lightgbm.early_stopping(1, verbose=False)
    settings = {"objective": "binary", "num_threads": 1, "deterministic": True, "verbosity": -1,
                "min_data_in_leaf": 5}  # fmt: skip
    return lightgbm.train(settings, data, 30, valid_sets=[watched], callbacks=[stop])


@pytest.mark.parametrize(
    ("fit", "leaking"),
    [(by_outcome, {"y"}), (by_site, {"site"}), (by_missing_site, {"site"}),
     (early_stopped, {"X", "y"})],
)  # fmt: skip
def test_each_road_into_the_fit_is_named(fit: Any, leaking: set[str]) -> None:
    assert what(fit) == leaking


def test_a_fit_that_stops_has_read_the_held_out_rows() -> None:
    def strict(X: Any, y: Any, site: Any, train: IntArray, test: IntArray) -> object:
        if np.abs(X).max() > 100:
            raise ValueError("out of range")
        return LogisticRegression().fit(X[train], y[train])

    [leak] = check_fold_isolation(strict, X, y, site, SPLIT).leaks
    assert "stops when it is redrawn (ValueError)" in leak.sentence
    assert "out of range" not in leak.sentence


def test_a_function_that_predicts_is_looked_into() -> None:
    def closed_over(X: Any, y: Any, site: Any, train: IntArray, test: IntArray) -> object:
        centre = X.mean(axis=0)
        model = LogisticRegression().fit(X[train], y[train])
        return lambda Z: model.predict(Z - centre)

    [leak] = check_fold_isolation(closed_over, X, y, site, SPLIT).leaks
    assert leak.what == "X"
    assert "the fit: fitted.centre and predictions change when it is permuted" in leak.sentence


@dataclass
class Sealed:
    """Something that shows nothing of itself but its predictions."""

    offset: float

    def __getattribute__(self, name: str) -> Any:
        return {} if name == "__dict__" else super().__getattribute__(name)

    def predict(self, X: Any) -> Any:
        return X[:, 0] - self.offset


def test_state_that_cannot_be_read_shows_in_predictions() -> None:
    def sealed(X: Any, y: Any, site: Any, train: IntArray, test: IntArray) -> object:
        return Sealed(float(X.mean()))

    [leak] = check_fold_isolation(sealed, X, y, site, SPLIT).leaks
    assert "predictions changes when" in leak.sentence


def test_rows_in_neither_part_must_not_matter_either() -> None:
    train, test = SPLITS[0]

    def on_all_but_the_test_rows(
        X: Any, y: Any, site: Any, train: IntArray, test: IntArray
    ) -> object:
        rest = np.setdiff1d(np.arange(len(X)), test)
        return LogisticRegression().fit(X[rest], y[rest])

    halved = [(train[::2], test)]
    found = check_fold_isolation(on_all_but_the_test_rows, X, y, site, halved)
    assert found.what == {"X", "y"}


def test_data_frames_keep_their_types() -> None:
    frame = pd.DataFrame(
        {
            "age": X[:, 0], "count": np.arange(60) % 7, "sex": pd.Categorical(["f", "m"] * 30),
            "name": np.repeat(["a", "b", "c"], 20), "yes": X[:, 1] > 0,
        }
    )  # fmt: skip
    frame.loc[3, "age"] = np.nan
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["sex", "name"]), remainder="passthrough"
    )
    pipeline = make_pipeline(columns, SimpleImputer(), LogisticRegression(max_iter=500))
    assert check_fold_isolation(pipeline, frame, pd.Series(y), pd.Series(site), SPLIT).leaks == ()

    def encoded_before(X: Any, y: Any, site: Any, train: IntArray, test: IntArray) -> object:
        mean_age = X["age"].mean()
        return mean_age, OneHotEncoder().fit(X[["sex"]].iloc[train])

    assert what(encoded_before, frame) == {"X"}
    data = Data(frame, y, site)
    for altered in alterations(data, np.arange(20), np.random.default_rng(0)):
        assert isinstance(altered.data.X, pd.DataFrame)
        assert altered.data.X.dtypes.equals(frame.dtypes)
        pd.testing.assert_frame_equal(altered.data.X.iloc[20:], frame.iloc[20:])


@settings(max_examples=25)
@given(
    rows=st.sets(st.integers(0, 59), min_size=2, max_size=59),
    seed=st.integers(0, 2**20),
    holes=st.booleans(),
)
def test_alterations_alter_those_rows_and_no_others(rows: set[int], seed: int, holes: bool) -> None:
    chosen = np.array(sorted(rows))
    others = np.setdiff1d(np.arange(60), chosen)
    features = X.copy()
    if holes:
        features[::7, 1] = np.nan
    data = Data(features, y, site)
    found = list(alterations(data, chosen, np.random.default_rng(seed)))
    assert [(each.what, each.how) for each in found] == [
        ("X", "permuted"), ("X", "redrawn"), ("X", "shifted"), *([("X", "emptied")] * holes),
        ("y", "permuted"), ("y", "exchanged"), ("y", "made equal"),
        ("site", "exchanged"), ("site", "renamed"),
    ]  # fmt: skip
    for altered in found:
        for before, after in zip(data, altered.data, strict=True):
            assert before is not None
            np.testing.assert_array_equal(np.asarray(after)[others], np.asarray(before)[others])
            assert np.asarray(after).dtype == np.asarray(before).dtype
        if altered.how in {"exchanged", "renamed"}:
            place = 1 if altered.what == "y" else 2
            assert (altered.data[place][chosen] != data[place][chosen]).all()  # type: ignore[index]


def test_sites_may_be_left_out_or_numbered() -> None:
    assert what(by_outcome, sites=None) == {"y"}
    assert what(by_site, sites=np.repeat([1, 2, 3], 20)) == {"site"}


def test_splits_come_as_scikit_learn_gives_them_or_as_ours() -> None:
    ours = [Split(0, number, *split) for number, split in enumerate(SPLITS)]
    reports = [check_fold_isolation(by_outcome, X, y, site, each) for each in (SPLITS, ours)]
    assert reports[0] == reports[1]
    assert [leak.split for leak in reports[0].leaks] == [0, 1, 2]


def test_the_assertion_raises_an_error_of_the_tree_that_names_no_value() -> None:
    report = check_fold_isolation(by_outcome, X, y, site, SPLIT)
    with pytest.raises(IsolationError, match="held-out y reaches the fit") as caught:
        report.assert_isolated()
    assert isinstance(caught.value, TmsResponseError)
    assert "north" not in str(caught.value)
    check_fold_isolation(CLEAN["scaled logistic"], X, y, site, SPLIT).assert_isolated()


def test_a_fit_that_differs_from_itself_cannot_be_tested() -> None:
    with pytest.raises(UsageError, match="random_state"):
        check_fold_isolation(RandomForestClassifier(n_estimators=3), X, y, site, SPLIT)


def test_a_fit_that_shows_nothing_cannot_be_tested() -> None:
    with pytest.raises(UsageError, match="Return from the fit what it learned"):
        check_fold_isolation(lambda *_: None, X, y, site, SPLIT)


@pytest.mark.parametrize(
    ("splits", "problem"),
    [
        ([], "no split"),
        ([(np.arange(5), np.arange(4, 9))], "learns from 1 row that it holds out too"),
        ([(np.arange(5), np.arange(60, 70))], "rows are 0 to 59"),
        ([(np.arange(5), np.empty(0, dtype=np.int64))], "empty or not of row numbers"),
        ([(np.ones(60, dtype=bool), np.zeros(60, dtype=bool))], "empty or not of row numbers"),
    ],
)  # fmt: skip
def test_splits_that_are_none_are_refused(splits: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        check_fold_isolation(CLEAN["scaled logistic"], X, y, site, splits)
    with pytest.raises(UsageError, match=problem):
        check_patients_apart(splits, np.arange(60))
    with pytest.raises(UsageError, match=problem):
        check_duplicates_apart(X, splits)


def test_patients_on_both_sides_are_counted() -> None:
    patient = np.repeat(np.arange(30), 2)
    splits = [(np.arange(31), np.arange(31, 60)), (np.arange(30), np.arange(30, 60))]
    report = check_patients_apart(splits, patient)
    [leak] = report.leaks
    assert (leak.split, leak.what) == (0, "patient")
    assert leak.sentence.startswith("1 patient with 1 held-out row are learned from too")


def test_duplicates_within_one_side_are_no_leak() -> None:
    features = X.copy()
    features[1] = features[0]
    assert check_duplicates_apart(features, [(np.arange(30), np.arange(30, 60))]).leaks == ()
    [leak] = check_duplicates_apart(features, [(np.arange(1, 60), np.arange(1))]).leaks
    assert leak.what == "row"


def test_the_same_state_has_the_same_digests_and_another_one_has_not() -> None:
    def pipeline(shift: float) -> object:
        return make_pipeline(StandardScaler(), PCA(2, random_state=0)).fit(X + shift * X**2)

    assert fitted_state(pipeline(0)) == fitted_state(pipeline(0))
    changed = changed_parts(fitted_state(pipeline(0)), fitted_state(pipeline(0.1)))
    assert "fitted.steps[0][1].mean_" in changed
    assert "fitted.steps[0][1].with_mean" not in changed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0), (True, 1), ("1", 1), (None, "None"), (0.0, -0.0), ([1, 2], (1, 2)),
        ({"a": 1}, {"b": 1}), ({"a", "b"}, {"a", "c"}), ([[1], [2]], [[1, 2]]),
        (np.array([1, 2]), np.array([1.0, 2.0])), (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.array(["a"], dtype=object), np.array(["b"], dtype=object)),
        (pd.Series([1, 2]), pd.Series([1, 3])),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
        (partial(max, 1), partial(max, 2)), (np.random.RandomState(0), np.random.RandomState(1)),
        (X.mean, (X + 1).mean), (max, min), (int, float),
    ],
)  # fmt: skip
def test_what_differs_has_another_state(one: object, other: object) -> None:
    assert fitted_state(one) != fitted_state(other)
    assert fitted_state(one) == fitted_state(one)


def test_order_of_keys_and_time_taken_are_no_state() -> None:
    assert fitted_state({"a": 1, "b": 2}) == fitted_state({"b": 2, "a": 1})
    assert fitted_state({"mean_fit_time": 1}) == fitted_state({"mean_fit_time": 2})
    assert fitted_state({"timer": 1}) != fitted_state({"timer": 2})


def test_circles_end() -> None:
    circle: list[object] = [1]
    circle.append(circle)
    other: list[object] = [2]
    other.append(other)
    assert fitted_state(circle) != fitted_state(other)


@pytest.mark.parametrize("module", [state, leaks, apart, folds])
def test_examples_of_the_documentation(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_everything_public_is_in_one_place() -> None:
    assert {"check_fold_isolation", "IsolationError"} <= set(isolation.__all__)
