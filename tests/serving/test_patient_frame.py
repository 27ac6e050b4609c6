"""Tables of patients: nothing is lost on the way there and back, and no cell is repeated."""

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracked_runs import made_up_connectome, made_up_patients

from data_schemas.errors import DataError
from data_schemas.patient import Patient
from data_schemas.prediction import (
    Contribution,
    Interval,
    ModelIdentity,
    Notice,
    Prediction,
    PredictionOutcome,
)
from serving.patient_frame import (
    frame_columns,
    patients_from_frame,
    patients_to_frame,
    predictions_to_frame,
)

VALUE = "7361529"


def test_patients_come_back_as_they_were() -> None:
    patients = made_up_patients(30)
    returned = patients_from_frame(patients_to_frame(patients))
    for before, after in zip(patients, returned, strict=True):
        assert after.model_dump_json() == before.model_dump_json()


@settings(max_examples=25)
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "age_years": st.floats(18, 90),
                "failed_trials": st.integers(0, 40),
                "lithium": st.booleans(),
                "sex": st.sampled_from(["female", "male", "other"]),
                "site": st.text(min_size=1, max_size=64),
                "coil_site_mni_mm": st.tuples(*[st.floats(-120, 120)] * 3),
                "extra": st.dictionaries(st.sampled_from("abc"), st.floats(-1e9, 1e9)),
            },
        ),
        max_size=4,
    )
)
def test_any_patients_survive_every_container(records: list[dict[str, Any]]) -> None:
    patients = [Patient(**record) for record in records]
    frame = patients_to_frame(patients)
    assert patients_from_frame(frame) == patients
    assert patients_from_frame(frame.convert_dtypes()) == patients
    shuffled = frame[frame.columns[::-1]]
    assert patients_from_frame(shuffled) == patients


def test_every_field_of_a_patient_has_its_columns() -> None:
    names = [column.name for column in frame_columns(["grip_kg"])]
    coil = ["coil_site_x_mm", "coil_site_y_mm", "coil_site_z_mm"]
    items = [f"depression_item_{number}" for number in range(1, 22)]  # BDI-II has the most
    scalars = set(Patient.model_fields) - {"coil_site_mni_mm", "depression_items", "extra"}
    assert set(names) == scalars | {*coil, *items, "extra.grip_kg"}
    kinds = {column.name: column.kind for column in frame_columns()}
    assert (kinds["age_years"], kinds["ssri"], kinds["failed_trials"]) == ("double",) * 3
    assert (kinds["sex"], kinds["site"], kinds["connectome"]) == ("string",) * 3


def test_missing_columns_and_cells_are_unknown() -> None:
    cells = [None, np.nan, pd.NA]
    frame = pd.DataFrame({"age_years": cells, "sex": cells}, dtype="object")
    assert patients_from_frame(frame) == [Patient()] * 3


def test_items_travel_in_columns_of_their_own() -> None:
    short = Patient(depression_instrument="PHQ-9", depression_items=(1, 2, 3, 0, 1, 2, 3, 0, 1))
    long = Patient(depression_instrument="HDRS-17", depression_items=(1,) * 17)
    frame = patients_to_frame([short, Patient(), long])
    assert frame["depression_item_3"].tolist() == pytest.approx([3, np.nan, 1], nan_ok=True)
    assert frame["depression_item_10"].isna().tolist() == [True, True, False]
    assert patients_from_frame(frame) == [short, Patient(), long]
    with pytest.raises(DataError, match="PHQ-9 has 9 items and 8 were given"):
        patients_from_frame(frame[:1].drop(columns="depression_item_9"))


def test_a_connectome_travels_as_json() -> None:
    connectome = made_up_connectome(np.random.default_rng(0))
    [cell] = patients_to_frame([Patient(connectome=connectome)])["connectome"].tolist()
    assert json.loads(cell)["upper_triangle"][0] is None
    [patient] = patients_from_frame(pd.DataFrame({"connectome": [cell]}))
    assert patient.connectome is not None
    np.testing.assert_array_equal(patient.connectome.upper_triangle, connectome.upper_triangle)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (["age_yeers"], "age_yeers: is not a column of this model. Did you mean 'age_years'?"),
        (["extra"], "extra: is not a column"),
        (["extra.mass_g"], "extra.mass_g: is not a column of this model."),
        (["week1_score"], "week1_score: was measured during or after treatment"),
        (["sex", "sex"], "sex: stands twice"),
        ([3], "3: is not a column"),
    ],
)
def test_columns_that_do_not_belong_are_named(columns: list[Any], sentence: str) -> None:
    frame = pd.DataFrame([["female"] * len(columns)], columns=columns)
    with pytest.raises(DataError, match=re.escape(sentence)):
        patients_from_frame(frame, extra_names=["grip_kg"])


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"age_years": float(VALUE)}, "row 2, age_years: is out of range"),
        ({"age_years": VALUE + "x"}, "row 2, age_years: should be a number"),
        ({"failed_trials": float(VALUE) + 0.5}, "row 2, failed_trials: should be a whole number"),
        ({"lithium": float(VALUE)}, "row 2, lithium: should be true or false"),
        ({"sex": VALUE}, "row 2, sex: is not one of the allowed values"),
        ({"coil_site_x_mm": 3.0}, "row 2, coil_site_y_mm: is missing while the other"),
        ({"connectome": "{" + VALUE}, "row 2, connectome: is not JSON"),
        ({"connectome": f'{{"labels": ["{VALUE}"]}}'}, "row 2, connectome.upper_triangle: is req"),
        ({"depression_item_1": 2.0}, "row 2, depression_items: need a known"),
        ({"depression_item_2": 2.0}, "row 2, depression_item_1: is missing while later items"),
        ({"depression_item_1": float(VALUE) + 0.5}, "row 2, depression_item_1: should be a whole"),
        ({"depression_item_1": VALUE}, "row 2, depression_items: need a known"),
    ],
)
def test_bad_cells_are_named_by_row_and_column(record: dict[str, Any], sentence: str) -> None:
    frame = pd.DataFrame([{"site": "a"}, record])
    with pytest.raises(DataError, match=re.escape(sentence)) as caught:
        patients_from_frame(frame)
    assert VALUE not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_prediction_that_abstains_has_no_numbers_of_its_own() -> None:
    shared: dict[str, Any] = {
        "base_rate": 0.4,
        "baseline_log_odds": -0.4,
        "outcome": PredictionOutcome(instrument="PHQ-9", definition="", horizon=""),
        "model": ModelIdentity(name="m", version="1", trained_on=""),
        "prediction_id": "1",
    }
    notice = Notice(code="too_far", message="Unlike the training cohort.")
    answered = Prediction(
        response_probability=0.5,
        interval=Interval(lower=0.4, upper=0.6, level=0.9, method="spread"),
        contributions=(Contribution(feature="b", label="B", value=1, unit="", log_odds=0.4),),
        notices=(),
        abstained=False,
        **shared,
    )
    silent = Prediction(
        response_probability=None,
        interval=None,
        contributions=(),
        notices=(notice,),
        abstained=True,
        **shared,
    )
    frame = predictions_to_frame([answered, silent], ["a", "b"], pd.Index(["x", "y"]))
    numbers = ["response_probability", "lower", "upper"]
    assert frame[numbers].to_numpy()[0].tolist() == [0.5, 0.4, 0.6]
    assert frame["contribution.b"].tolist() == pytest.approx([0.4, np.nan], nan_ok=True)
    assert frame["contribution.a"].isna().all()
    assert frame[numbers].iloc[1].isna().all()
    assert frame["base_rate"].tolist() == [0.4, 0.4]
    assert frame["abstained"].tolist() == [False, True]
    assert json.loads(frame["notices"].tolist()[1]) == [notice.model_dump()]
