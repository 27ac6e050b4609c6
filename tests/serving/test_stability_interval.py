"""The compact replicates: exact sums of steps, around the answer, refused when damaged."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replicate_tables import random_table, with_spread

from data_schemas.errors import ModelError
from data_schemas.patient import Patient
from features.patient_rows import patient_row
from serving.booster_text import FloatArray
from serving.calibrated_trees import expit
from serving.model_document import SpreadDocument
from serving.predictor import SPREAD_FILE, ResponsePredictor
from serving.stability_interval import ReplicateSpread, SpreadTable


@pytest.fixture(scope="module")
def stable(predictor: ResponsePredictor) -> ResponsePredictor:
    return with_spread(predictor, random_table(len(predictor.features)))


@given(st.integers(1, 12), st.integers(0, 1000))
def test_sums_are_those_of_the_steps_one_by_one(n_features: int, seed: int) -> None:
    table = random_table(n_features, seed)
    rng = np.random.default_rng(seed)
    # At a cut, just below it, anywhere or unknown.
    at_cuts = [rng.choice([*cuts, *np.nextafter(cuts, -np.inf), 0.0]) for cuts in table.cuts]
    elsewhere = rng.choice([np.nan, -0.0, *rng.normal(size=3)], n_features)
    row = np.where(rng.random(n_features) < 0.5, at_cuts, elsewhere)
    expected = table.start.copy()
    at = 0
    for column, cuts in enumerate(table.cuts):
        for cut in cuts:
            # A value on a cut has reached it.
            expected += table.steps[at] * (row[column] >= cut)
            at += 1
        expected += table.unknown[column] * np.isnan(row[column])
    spread = ReplicateSpread(table)
    np.testing.assert_array_equal(spread.thousandths(row), expected)
    np.testing.assert_array_equal(spread.thousandths(np.array([-row, row]))[1], expected)


@given(st.integers(1, 12), st.integers(0, 1000))
def test_text_reads_back_exactly(n_features: int, seed: int) -> None:
    text = random_table(n_features, seed).to_text()
    assert SpreadTable.from_text(text, n_features).to_text() == text


def test_a_table_without_any_cut_is_one() -> None:
    none, ones = np.empty((0, 2), dtype=np.int64), np.ones((1, 2), dtype=np.int64)
    text = SpreadTable([np.empty(0)], np.array([5, -5]), none, ones).to_text()
    spread = ReplicateSpread(SpreadTable.from_text(text, 1))
    assert spread.thousandths(np.array([np.nan])).tolist() == [6, -4]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("cuts", [[2.0, 1.0]]),
        ("cuts", [[float("nan")]]),
        ("cuts", [["1.0"]]),
        ("cuts", 3),
        ("start", []),
        ("start", [[]]),
        ("start", [[1.5, 2.5]]),
        ("start", [[1, 2, 3]]),
        ("start", [[10**30, 1]]),
        ("steps", [[1, 2]]),
        ("steps", [[1, 2], [1]]),
        ("unknown", [[True, False]]),
        ("unknown", [[2**23, 2**24]]),
        ("unknown", None),
    ],
)
def test_a_table_that_is_not_sound_is_refused(part: str, value: Any) -> None:
    content = {
        "cuts": [[1.0, 2.0]], "start": [[0, 0]], "steps": [[1, 2], [3, 4]], "unknown": [[5, 6]],
    }  # fmt: skip
    assert SpreadTable.from_text(json.dumps(content), 1).n_replicates == 2
    with pytest.raises(ModelError, match="does not hold a table over 1 features"):
        SpreadTable.from_text(json.dumps({**content, part: value}), 1)
    del content[part]
    with pytest.raises(ModelError, match="does not hold a table"):
        SpreadTable.from_text(json.dumps(content), 1)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="does not hold a table"):
        SpreadTable.from_text(text, 1)


def test_the_interval_is_the_central_part_and_holds_the_answer(
    stable: ResponsePredictor, patients: list[Patient]
) -> None:
    replicates = ReplicateSpread(random_table(len(stable.features)))
    for patient in patients[:60]:
        answer = stable.predict(patient)
        if answer.interval is None or answer.response_probability is None:
            continue
        row = patient_row(patient, stable.features)
        log_odds = float(stable.log_odds([row])[0])
        lower, upper = np.quantile(
            log_odds + replicates.thousandths(row).astype(float) / 1000, [0.05, 0.95]
        )
        assert answer.interval.lower == pytest.approx(expit(min(lower, log_odds)), abs=1e-12)
        assert answer.interval.upper == pytest.approx(expit(max(upper, log_odds)), abs=1e-12)
        assert answer.interval.lower <= answer.response_probability <= answer.interval.upper
        assert answer.interval.method == "stability interval"


@pytest.mark.parametrize("shift", [-10_000, 10_000])
def test_an_answer_outside_the_replicates_is_an_end_of_its_interval(
    stable: ResponsePredictor, complete_patient: Patient, shift: int
) -> None:
    table = random_table(len(stable.features))
    answer = with_spread(stable, replace(table, start=table.start + shift)).predict(
        complete_patient
    )
    assert answer.interval is not None
    end = answer.interval.lower if shift > 0 else answer.interval.upper
    assert end == answer.response_probability


def test_a_patient_is_explained_the_same_in_any_company(
    stable: ResponsePredictor, predictor: ResponsePredictor, patients: list[Patient]
) -> None:
    X: FloatArray = np.array([patient_row(each, stable.features) for each in patients])
    for model in (stable._model, predictor._model):
        for row, together in zip(X, model.explained_many(X), strict=True):
            alone = model.explained(row)
            assert (alone.log_odds, alone.interval) == (together.log_odds, together.interval)
            np.testing.assert_array_equal(alone.contributions, together.contributions)


def test_nothing_else_of_the_answer_changes(
    predictor: ResponsePredictor, stable: ResponsePredictor, patients: list[Patient]
) -> None:
    rows: FloatArray = np.array([patient_row(each, stable.features) for each in patients[:40]])
    np.testing.assert_array_equal(stable.log_odds(rows), predictor.log_odds(rows))
    np.testing.assert_array_equal(stable.contributions(rows), predictor.contributions(rows))


def test_a_saved_model_keeps_its_interval(
    predictor: ResponsePredictor, stable: ResponsePredictor, patients: list[Patient], tmp_path: Path
) -> None:
    stable.save(tmp_path)
    loaded = ResponsePredictor.load(tmp_path)
    for patient in patients[:20]:
        assert loaded.predict(patient).interval == stable.predict(patient).interval
    predictor.save(tmp_path)
    assert not (tmp_path / SPREAD_FILE).exists()
    assert ResponsePredictor.load(tmp_path).document == predictor.document


def test_models_of_before_there_were_replicates_still_load(
    predictor: ResponsePredictor, tmp_path: Path
) -> None:
    predictor.save(tmp_path)
    path = tmp_path / "model.json"
    content = json.loads(path.read_text("utf-8"))
    del content["interval"]["spread"]
    path.write_text(json.dumps(content), "utf-8")
    assert ResponsePredictor.load(tmp_path).document == predictor.document


def test_document_and_spread_must_belong_together(
    stable: ResponsePredictor, predictor: ResponsePredictor
) -> None:
    document, booster, spread = stable.document, stable._booster_text, stable._spread_text
    assert spread is not None
    assert document.interval.spread is not None
    with pytest.raises(ModelError, match="given together"):
        ResponsePredictor(document, booster, None)
    with pytest.raises(ModelError, match="given together"):
        ResponsePredictor(predictor.document, booster, spread)
    with pytest.raises(ModelError, match="beside a booster"):
        ResponsePredictor(document.model_copy(update={"booster": None}), None, spread)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        ResponsePredictor(document, booster, spread + "\n")
    more = document.interval.model_copy(update={"spread": SpreadDocument.of(spread, 41)})
    with pytest.raises(ModelError, match="does not hold 41 replicates"):
        ResponsePredictor(document.model_copy(update={"interval": more}), booster, spread)
    with pytest.raises(ModelError, match=f"over {len(predictor.features)} features"):
        with_spread(predictor, random_table(len(predictor.features) - 1))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_or_absent_spread_is_refused(
    stable: ResponsePredictor, tmp_path: Path, share: float
) -> None:
    stable.save(tmp_path)
    path = tmp_path / SPREAD_FILE
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="SHA-256 differs"):
        ResponsePredictor.load(tmp_path)
    path.unlink()
    with pytest.raises(ModelError, match="absent"):
        ResponsePredictor.load(tmp_path)
