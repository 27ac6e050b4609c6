"""From a cohort folder to an explained, tracked and served prediction."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from fresh_process import Service, Spine, environment, tms_response

from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from serving.patient_frame import patients_to_frame
from serving.predictor import ResponsePredictor

pytestmark = pytest.mark.system

EVALUATION = ["model", "split", "metric", "threshold", "estimate", "lower", "upper", "n", "outcome"]
CARD_FILES = {"card.html", "card.md", "card.json"}
RUN_FILES = {"evaluation.csv", "out_of_fold.csv", "held_out.csv", "stability.csv", "report.html"}
ARTEFACT = {"model.json", "booster.txt", "spread.json"}
MODEL_FILES = {*ARTEFACT, *CARD_FILES, "course.json"}
LANDMARKS = {"week-1", "week-3"}
COURSE_FILES = {"course.csv", "course_out_of_fold.csv", "course_summary.json"}
ASK_MLFLOW = """
import sys, mlflow, pandas
model = mlflow.pyfunc.load_model("models:/tms-response@champion")
model.predict(pandas.read_parquet(sys.argv[1])).to_parquet(sys.argv[2])
"""


@pytest.fixture(scope="module")
def in_python(spine: Spine, everybody: list[Patient]) -> list[Prediction]:
    return ResponsePredictor.load(spine.run / "model").predict_many(everybody)


@pytest.fixture(scope="module")
def over_http(service: Service, everybody: list[Patient]) -> list[Prediction]:
    answers = [
        service.client.post("/predict", content=patient.model_dump_json(exclude_none=True))
        for patient in everybody
    ]
    assert {answer.status_code for answer in answers} == {200}
    return [Prediction.model_validate_json(answer.content) for answer in answers]


def differences(left: list[Prediction], right: list[Prediction]) -> list[float]:
    """Return how far apart the probabilities are, of those given by both."""
    assert [each.abstained for each in left] == [each.abstained for each in right]
    return [
        abs(one.response_probability - other.response_probability)
        for one, other in zip(left, right, strict=True)
        if one.response_probability is not None and other.response_probability is not None
    ]


def test_training_says_where_the_report_and_the_model_lie(spine: Spine) -> None:
    assert "Report: run/report.html" in spine.said
    assert "Card:   run/card.html" in spine.said
    assert "Model:  run/model" in spine.said
    assert "AUROC" in spine.said


def test_a_run_leaves_what_it_promises(spine: Spine) -> None:
    promised = {*RUN_FILES, *CARD_FILES, *COURSE_FILES, "card.toml"}
    assert {path.name for path in spine.run.iterdir()} >= promised
    assert list(pd.read_csv(spine.run / "evaluation.csv").columns) == EVALUATION
    assert {path.name for path in (spine.run / "model").iterdir()} == MODEL_FILES | LANDMARKS
    for folder in LANDMARKS:
        assert {path.name for path in (spine.run / "model" / folder).iterdir()} == ARTEFACT


def test_the_model_tells_patients_apart(in_python: list[Prediction]) -> None:
    # Else the comparisons below would compare a constant with itself.
    known = {each.response_probability for each in in_python if not each.abstained}
    assert len(known) > len(in_python) / 2


def test_http_gives_the_probability_of_python(
    in_python: list[Prediction], over_http: list[Prediction]
) -> None:
    apart = differences(in_python, over_http)
    assert len(apart) > len(in_python) / 2
    assert max(apart) < 1e-9


def test_mlflow_gives_the_probability_of_python(
    spine: Spine, everybody: list[Patient], in_python: list[Prediction]
) -> None:
    asked, answered = spine.folder / "patients.parquet", spine.folder / "answers.parquet"
    patients_to_frame(everybody).to_parquet(asked)
    subprocess.run(
        [sys.executable, "-c", ASK_MLFLOW, asked, answered],
        cwd=spine.folder, check=True, capture_output=True,
        env={**environment(), "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"},
    )  # fmt: skip
    answers = pd.read_parquet(answered)
    assert answers["abstained"].tolist() == [each.abstained for each in in_python]
    ours = [each.response_probability or math.nan for each in in_python]
    assert (answers["response_probability"] - ours).abs().max() < 1e-9


def test_contributions_over_http_add_up_to_the_probability(over_http: list[Prediction]) -> None:
    for answer in over_http:
        if answer.response_probability is None:
            continue
        total = answer.baseline_log_odds + sum(each.log_odds for each in answer.contributions)
        chance = answer.response_probability
        assert math.log(chance / (1 - chance)) == pytest.approx(total, abs=1e-6)


def test_the_predict_command_gives_the_same(
    spine: Spine, everybody: list[Patient], in_python: list[Prediction]
) -> None:
    # Those without a scan, whose file is small.
    chosen = [number for number, patient in enumerate(everybody) if patient.connectome is None]
    patients = [everybody[number].model_dump(mode="json", exclude_none=True) for number in chosen]
    (spine.folder / "patients.json").write_text(json.dumps(patients), encoding="utf-8")
    for model, out in (("run", "answers.json"), ("models:/tms-response@champion", "answers.csv")):
        tms_response("predict", model, "patients.json", "--out", out, cwd=spine.folder)
    expected = [in_python[number].response_probability for number in chosen]
    answers = json.loads((spine.folder / "answers.json").read_text("utf-8"))
    assert [answer["response_probability"] for answer in answers] == expected
    table = pd.read_csv(spine.folder / "answers.csv")
    ours = pd.Series(expected, dtype="float64")
    assert (table["response_probability"] - ours).abs().max() < 1e-12
    assert table["response_probability"].isna().tolist() == ours.isna().tolist()


def test_the_same_seed_gives_the_same_bytes(spine: Spine, quick_config: Path) -> None:
    again = ("--config", quick_config, "--out", "again")
    tms_response("train", "cohort", "--course", *again, cwd=spine.folder)
    tables = ["evaluation.csv", "out_of_fold.csv", "held_out.csv", "stability.csv", *COURSE_FILES]
    artefacts = [f"model/{folder}/{name}" for folder in LANDMARKS for name in ARTEFACT]
    same = [*tables, *artefacts, *(f"model/{name}" for name in MODEL_FILES)]
    other = spine.folder / "again"
    assert [
        name for name in same if (other / name).read_bytes() != (spine.run / name).read_bytes()
    ] == []


def test_a_report_is_rebuilt_from_the_run_alone(spine: Spine) -> None:
    report = spine.run / "report.html"
    before = report.read_text("utf-8")
    report.unlink()
    tms_response("report", "run", cwd=spine.folder)
    # What is known only after a run, such as when it ended, may be added; nothing else may change.
    assert set(before.splitlines()) <= set(report.read_text("utf-8").splitlines())


def test_a_refused_value_is_neither_answered_nor_logged(service: Service) -> None:
    planted = 7731.625
    answer = service.client.post("/predict", json={"age_years": planted, "sex": "Q7-planted"})
    assert answer.status_code == 422
    fields = {each["field"] for each in answer.json()["error"]["fields"]}
    assert fields == {"age_years", "sex"}
    for text in (answer.text, service.log.read_text("utf-8")):
        assert str(planted) not in text
        assert "Q7-planted" not in text


def test_health_metrics_and_the_model_card(service: Service, spine: Spine) -> None:
    assert service.client.get("/livez").status_code == 200
    assert "tms_response_predictions_total" in service.client.get("/metrics").text
    document = json.loads((spine.run / "model" / "model.json").read_text("utf-8"))
    assert document["trained_on"]["simulated"] is True
    assert service.client.get("/model").json()["document"] == document
