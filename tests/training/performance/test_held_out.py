"""Reading the out-of-fold table: any order in, one form out, and sentences for what is wrong."""

import numpy as np
import pandas as pd
import pytest

from data_schemas.errors import DataError
from training.performance.held_out import REQUIRED_COLUMNS, held_out_models


def table() -> pd.DataFrame:
    """Return two models, two repeats and six patients, with every number telling its cell."""
    cells = [
        {
            "row": row, "site": "ab"[row % 2], "repeat": repeat, "fold": row % 3, "y": row % 2,
            "model": model, "probability": (row + 10 * repeat + 40 * number) / 100,
            "has_connectome": row > 3,
        }
        for number, model in enumerate(["second", "first"])
        for repeat in range(2)
        for row in range(1, 7)
    ]  # fmt: skip
    return pd.DataFrame(cells)


def test_the_order_of_the_table_does_not_matter() -> None:
    shuffled = table().sample(frac=1, random_state=3)
    for frame in (table(), shuffled):
        models = held_out_models(frame)
        assert list(models) == ["first", "second"]
        held = models["first"]
        assert held.row.tolist() == [1, 2, 3, 4, 5, 6]
        assert held.y.tolist() == [True, False] * 3
        assert held.site.tolist() == ["b", "a"] * 3
        assert held.probability[1].tolist() == [0.51, 0.52, 0.53, 0.54, 0.55, 0.56]
        assert held.fold[0].tolist() == [1, 2, 0, 1, 2, 0]
        assert held.has_connectome.tolist() == [False] * 3 + [True] * 3


def test_some_patients_keep_their_own_predictions() -> None:
    held = held_out_models(table())["second"]
    some = held.of(np.array([False, True, False, False, True, False]))
    assert some.n == 2
    assert some.row.tolist() == [2, 5]
    assert some.probability.tolist() == [[0.02, 0.05], [0.12, 0.15]]
    assert some.site_code.tolist() == [[0, 1], [0, 1]]


def test_what_varies_between_folds_only_does_not_vary_within_them() -> None:
    frame = table()
    assert held_out_models(frame)["first"].varies_within_folds
    frame["probability"] = frame["fold"] / 10
    assert not held_out_models(frame)["first"].varies_within_folds


def test_without_the_column_nobody_has_a_connectome() -> None:
    held = held_out_models(table().drop(columns="has_connectome"))["first"]
    assert not held.has_connectome.any()


@pytest.mark.parametrize("column", REQUIRED_COLUMNS)
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(DataError, match=f"{column}: is missing"):
        held_out_models(table().drop(columns=column))


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("y", 2, "y: holds something else .allowed: 0 or 1"),
        ("probability", 1.25, "probability: is missing or out of range .allowed: 0 to 1"),
        ("probability", np.nan, "probability: is missing or out of range"),
        ("site", None, "site: is missing"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_without_being_shown(
    column: str, value: float | None, sentence: str
) -> None:
    frame = table()
    frame[column] = frame[column].astype(object)
    frame.loc[4, column] = value
    frame[column] = frame[column].infer_objects()
    with pytest.raises(DataError, match=sentence) as caught:
        held_out_models(frame)
    assert "1.25" not in str(caught.value)


def test_incomplete_or_contradictory_predictions_are_refused() -> None:
    whole = table()
    with pytest.raises(DataError, match="first are not complete"):
        held_out_models(whole.drop(index=20))
    doubled = pd.concat([whole, whole.tail(1)])
    with pytest.raises(DataError, match="exactly one prediction in each repeat"):
        held_out_models(doubled)
    whole["y"] = whole["y"].where(whole.index != 0, 1 - whole["y"])
    with pytest.raises(DataError, match="outcome or site differs between repeats of second"):
        held_out_models(whole)


def test_nothing_and_one_class_cannot_be_judged() -> None:
    with pytest.raises(DataError, match="nothing to evaluate"):
        held_out_models(table().head(0))
    with pytest.raises(DataError, match="same outcome"):
        held_out_models(table().assign(y=1))
