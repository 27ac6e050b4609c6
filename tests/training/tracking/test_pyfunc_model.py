"""The logged model answers as the predictor does, on its own code, and repeats no patient."""

import ast
import asyncio
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from tracked_runs import made_up_patients, quiet_mlflow, tiny_predictor

from data_schemas.errors import DataError, ModelError
from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from serving.openapi_examples import example_patient
from serving.patient_frame import patients_from_frame, patients_to_frame
from training.tracking.registered_model import save_model

SECRET = 7361529.25

# Run in a process of its own, far from the repository.
FRESH_PROCESS = """
import sys
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
import data_schemas, features, serving
for package in (data_schemas, features, serving):
    print(package.__file__)
model.predict(pandas.read_parquet(sys.argv[2])).to_parquet(sys.argv[3])
"""


@pytest.fixture(scope="module")
def pyfunc() -> Any:
    with quiet_mlflow():
        import mlflow.pyfunc
    return mlflow.pyfunc


@pytest.fixture(scope="module")
def saved(pyfunc: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    folder = tmp_path_factory.mktemp("pyfunc")
    predictor = tiny_predictor()
    predictor.save(folder / "artefact")
    save_model(folder / "saved", folder / "artefact", predictor.document)
    return folder / "saved"


@pytest.fixture
def restored_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away again what loading a model puts on Python's path."""
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def model(pyfunc: Any, saved: Path, restored_path: None) -> Any:  # noqa: ARG001
    return pyfunc.load_model(str(saved))


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    return made_up_patients()


def assert_same(answers: pd.DataFrame, predictions: list[Prediction]) -> None:
    for (_, row), prediction in zip(answers.iterrows(), predictions, strict=True):
        interval = prediction.interval
        expected = {
            "response_probability": prediction.response_probability,
            "lower": interval and interval.lower,
            "upper": interval and interval.upper,
            "base_rate": prediction.base_rate,
            "baseline_log_odds": prediction.baseline_log_odds,
            **{f"contribution.{each.feature}": each.log_odds for each in prediction.contributions},
        }
        for column, value in expected.items():
            assert row[column] == pytest.approx(
                np.nan if value is None else value, abs=1e-9, nan_ok=True
            )
        assert row["abstained"] == prediction.abstained
        assert json.loads(row["notices"]) == [each.model_dump() for each in prediction.notices]


def test_every_patient_gets_the_answer_of_the_predictor(
    model: Any, patients: list[Patient]
) -> None:
    predictions = tiny_predictor().predict_many(patients)
    answers = model.predict(patients_to_frame(patients))
    assert_same(answers, predictions)
    answered = ~answers["abstained"]
    assert 0 < answered.sum() < len(patients)
    contributions = answers.filter(like="contribution.")
    logit = np.log(answers["response_probability"] / (1 - answers["response_probability"]))
    total = answers["baseline_log_odds"] + contributions.sum(axis="columns")
    np.testing.assert_allclose(total[answered], logit[answered], atol=1e-6)
    assert answers.loc[~answered, ["response_probability", "lower", "upper"]].isna().all(axis=None)
    connectivity = contributions.filter(like="fc_within")
    scanned = np.array([patient.connectome is not None for patient in patients])
    assert connectivity[scanned & answered].ne(0).any(axis=None)


def test_the_answers_keep_the_index_of_the_table(model: Any, patients: list[Patient]) -> None:
    frame = patients_to_frame(patients[:3]).set_axis(["u", "v", "w"], axis="index")
    assert model.predict(frame).index.tolist() == ["u", "v", "w"]
    assert model.predict(frame.iloc[:0]).empty


@pytest.mark.parametrize("repository_on_the_path", [False, True])
def test_a_fresh_process_runs_the_stored_code(
    saved: Path, patients: list[Patient], tmp_path: Path, repository_on_the_path: bool
) -> None:
    table, answers = tmp_path / "patients.parquet", tmp_path / "answers.parquet"
    patients_to_frame(patients[:9]).to_parquet(table)
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("PYTHONPATH", None)
    isolated = ["-I"]
    if repository_on_the_path:  # as where the project is installed editable
        environment["PYTHONPATH"] = str(Path(__file__).parents[3])
        isolated = []
    command = [sys.executable, *isolated, "-c", FRESH_PROCESS, *map(str, (saved, table, answers))]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        str(saved / "code" / name / "__init__.py")
        for name in ("data_schemas", "features", "serving")
    ]
    assert_same(pd.read_parquet(answers), tiny_predictor().predict_many(patients[:9]))


@pytest.mark.usefixtures("restored_path")
def test_other_code_than_the_stored_is_refused(pyfunc: Any, saved: Path) -> None:
    stored = saved / "code" / "features" / "clinical.py"
    original = stored.read_bytes()
    stored.write_bytes(original + b"# as of an earlier release\n")
    try:
        with pytest.raises(ModelError, match=r"has imported `features` from .* fresh process"):
            pyfunc.load_model(str(saved))
    finally:
        stored.write_bytes(original)


def test_whole_numbers_and_booleans_are_read(model: Any) -> None:
    typed = pd.DataFrame({"age_years": [44, 51], "ssri": [True, False], "failed_trials": [3, 4]})
    plain = pd.DataFrame({"failed_trials": [3.0, 4.0], "ssri": [1.0, 0.0], "age_years": [44.0, 51]})
    pd.testing.assert_frame_equal(model.predict(typed), model.predict(plain))


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ("age_year", "age_year: is not a column of this model. Did you mean 'age_years'?"),
        ("extra.grip", "extra.grip: is not a column of this model. Did you mean 'extra.grip_kg'?"),
        ("sessions_completed", "sessions_completed: counts the sessions given"),
    ],
)
def test_unknown_columns_are_refused_not_dropped(model: Any, column: str, sentence: str) -> None:
    with pytest.raises(DataError, match=re.escape(sentence)):
        model.predict(pd.DataFrame({"age_years": [44.0], column: [1.0]}))


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ({"age_years": SECRET}, "row 2, age_years: is out of range"),
        ({"extra.grip_kg": SECRET}, "row 2, extra.grip_kg: is out of range (allowed: 0 to 100 kg)"),
        (
            {"depression_total": 20.0, "depression_instrument": "MADRS"},
            "row 2, depression_instrument: is not the instrument of this model",
        ),
    ],
)
def test_bad_cells_are_named_and_not_repeated(
    model: Any, cells: dict[str, object], sentence: str
) -> None:
    frame = pd.DataFrame([{"age_years": 44.0}, cells])
    with pytest.raises(DataError, match=re.escape(sentence)) as caught:
        model.predict(frame)
    assert str(SECRET) not in str(caught.value)


Post = Callable[..., httpx.Response]


@pytest.fixture
def post(model: Any, monkeypatch: pytest.MonkeyPatch) -> Post:
    """Send a request to MLflow's own server, in this process."""
    from mlflow.pyfunc import scoring_server

    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "false")  # the server sets it to true
    transport = httpx.ASGITransport(scoring_server.init(model))

    async def posted(**request: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.post("/invocations", **request)

    return lambda **request: asyncio.run(posted(**request))


def test_mlflows_server_answers_records_and_csv(post: Post, patients: list[Patient]) -> None:
    chosen = [patient for patient in patients if patient.connectome is None][:4]
    frame = patients_to_frame(chosen)
    records = json.loads(frame.to_json(orient="records"))
    by_json = post(json={"inputs": records})
    by_csv = post(content=frame.to_csv(index=False), headers={"content-type": "text/csv"})
    for response in (by_json, by_csv):
        assert response.status_code == 200, response.text
        answers = pd.DataFrame(response.json()["predictions"])
        assert_same(answers, tiny_predictor().predict_many(chosen))


def test_mlflows_server_repeats_no_refused_patient(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for record in ({"age_years": SECRET}, {"age_year": SECRET}, {"age_years": f"x{SECRET}"}):
        response = post(json={"inputs": [record]})
        assert response.status_code == 400
        assert "age_year" in response.text
        assert str(SECRET) not in response.text + caplog.text


def test_the_input_example_is_made_up_and_works(model: Any) -> None:
    document = tiny_predictor().document
    example = Patient.model_validate(example_patient(document))
    assert patients_from_frame(pd.DataFrame(model.input_example)) == [example]
    told = {"reference": None, "missing_share": 0.9, "importance": 0.5}
    features = tuple(
        each.model_copy(update=told) if each.importance > 0 else each for each in document.features
    )
    unlike = document.model_copy(update={"features": features, "base_rate": 0.123, "sites": ()})
    assert example_patient(unlike) == example_patient(document)
    assert_same(
        model.predict(pd.DataFrame(model.input_example)), [tiny_predictor().predict(example)]
    )


def test_the_signature_names_every_column(model: Any, patients: list[Patient]) -> None:
    frame = patients_to_frame(patients)
    assert model.metadata.get_input_schema().input_names() == list(frame.columns)
    assert not model.metadata.get_input_schema().required_input_names()
    answers = model.predict(frame)
    assert model.metadata.get_output_schema().input_names() == list(answers.columns)
    assert len(patients_from_frame(frame)) == len(patients)


def test_the_requirements_are_what_the_stored_code_imports(saved: Path) -> None:
    stated = {line.split("==")[0] for line in (saved / "requirements.txt").read_text().split()}
    own = ("data_schemas", "features", "serving")
    used = {saved / "pyfunc_model.py", *_files_behind("serving.predictor", own)}
    used |= _files_behind("serving.patient_frame", own)
    top_level = {name for path in used for name in _imports(path)}
    third_party = top_level - set(sys.stdlib_module_names) - set(own)
    distributions = packages_distributions()
    needed = {min(distributions[name], key=len) for name in third_party}
    assert needed - {"pydantic_core"} == stated  # pydantic pins its core


def _files_behind(module: str, own: tuple[str, ...], seen: set[str] | None = None) -> set[Path]:
    seen = set() if seen is None else seen
    seen.add(module)
    loaded: ModuleType = sys.modules[module]
    files = {Path(str(loaded.__file__))}
    for node in ast.walk(ast.parse(next(iter(files)).read_text("utf-8"))):
        name = node.module if isinstance(node, ast.ImportFrom) else None
        if name and name.split(".")[0] in own and name in sys.modules and name not in seen:
            files |= _files_behind(name, own, seen)
    return files


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names
