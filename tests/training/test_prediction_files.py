"""Files of predictions: the same answers in every form, or none at all."""

import json
from pathlib import Path

import pandas as pd
import pytest
from tracked_runs import made_up_patients, tiny_predictor

from data_schemas.errors import DataError, UsageError
from data_schemas.patient import Patient
from training.prediction_files import check_predictions_path, predict_all, write_predictions

NAMED = [(f"p{number}", patient) for number, patient in enumerate(made_up_patients(12), start=1)]


def test_json_holds_whole_predictions_with_ids(tmp_path: Path) -> None:
    predictor = tiny_predictor()
    predictions = predict_all(predictor, NAMED)
    write_predictions(tmp_path / "out.json", NAMED, predictions, predictor)
    written = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert written == [
        {"id": name, **prediction.model_dump(mode="json")}
        for (name, _), prediction in zip(NAMED, predictions, strict=True)
    ]


@pytest.mark.parametrize(("name", "separator"), [("out.csv", ","), ("out.tsv", "\t")])
def test_a_table_holds_probability_and_contributions(
    tmp_path: Path, name: str, separator: str
) -> None:
    predictor = tiny_predictor()
    predictions = predict_all(predictor, NAMED)
    write_predictions(tmp_path / name, NAMED, predictions, predictor)
    table = pd.read_csv(tmp_path / name, sep=separator, index_col="id")
    assert table.index.tolist() == [name for name, _ in NAMED]
    for row, prediction in zip(table.itertuples(), predictions, strict=True):
        expected = prediction.response_probability
        assert row.response_probability == pytest.approx(expected, nan_ok=True) or expected is None
        assert row.abstained == prediction.abstained
    contributions = table.filter(like="contribution.").loc[~table["abstained"]]
    named = [{each.feature: each.log_odds for each in p.contributions} for p in predictions]
    for column in contributions:
        feature = str(column).removeprefix("contribution.")
        log_odds = [found[feature] for found in named if found]
        assert log_odds
        assert contributions[column].tolist() == pytest.approx(log_odds)


def test_one_refused_patient_is_named_and_nothing_is_answered() -> None:
    other = Patient(depression_instrument="MADRS", depression_total=31)
    with pytest.raises(DataError) as caught:
        predict_all(tiny_predictor(), [*NAMED[:2], ("Q7-planted", other)])
    assert [problem.field for problem in caught.value.problems] == [
        "patient 3, depression_instrument"
    ]
    assert "31" not in str(caught.value)
    assert "Q7-planted" not in str(caught.value)


@pytest.mark.parametrize("name", ["out.xlsx", "out", "no_folder/out.csv"])
def test_a_path_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(UsageError):
        check_predictions_path(tmp_path / name)
