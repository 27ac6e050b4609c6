"""The script that MLflow runs to load a logged model: models-from-code, nothing pickled.

It stands beside a copy of `data_schemas/`, `features/` and `serving/` (folder `code`) and of the
artefact (folder `artifacts/model`) in the store. Loading it executes that stored code, so load
only from a store that you trust; `serving.predictor.ResponsePredictor.load` reads the same artefact
and executes nothing.

Input: a table of patients as in `serving/patient_frame.py` (a DataFrame, or the records of
`{"inputs": [...]}` sent to `mlflow models serve`), every column optional. Output: one row a patient
with the probability, its interval, the base rate, what each feature contributed, and notices.
"""

import filecmp
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

import data_schemas
import features
import serving
from data_schemas.errors import DataError, FieldProblem, ModelError
from data_schemas.patient import Patient
from serving.admission import RefusedPatientError, refuse_unfit
from serving.model_document import ModelDocument
from serving.patient_frame import patients_from_frame, predictions_to_frame
from serving.predictor import ResponsePredictor


class TmsResponseModel(PythonModel):
    """`ResponsePredictor` behind MLflow's interface."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401
        """Load the artefact; MLflow calls this once.

        Raises
        ------
        ModelError
            When another version of the project's packages was imported before, or the artefact is
            not complete.
        """
        _refuse_other_code(Path(__file__).parent / "code")
        self._predictor = ResponsePredictor.load(Path(context.artifacts["model"]))

    def predict(
        self,
        context: Any,  # noqa: ANN401, ARG002  # MLflow passes it
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Predict for a table of patients.

        Returns
        -------
        DataFrame
            As `serving.patient_frame.predictions_to_frame`, with the index of the input.

        Raises
        ------
        DataError
            Naming the columns, or rows (counted from 1) and columns, that cannot be used; never a
            value. Nothing is predicted then.
        """
        document = self._predictor.document
        frame = _as_frame(model_input)
        extra_names = [extra.name for extra in document.extra_measurements]
        patients = patients_from_frame(frame, extra_names)
        _refuse_unfit_rows(patients, document)
        predictions = self._predictor.predict_many(patients)
        names = [feature.name for feature in document.features]
        return predictions_to_frame(predictions, names, frame.index)


def _as_frame(model_input: object) -> pd.DataFrame:
    if isinstance(model_input, pd.DataFrame):
        return model_input
    if isinstance(model_input, list) and all(isinstance(record, dict) for record in model_input):
        return pd.DataFrame.from_records(model_input)
    raise DataError(
        "Patients are expected as a DataFrame or as a list of records, one object a patient."
    )


def _refuse_unfit_rows(patients: list[Patient], document: ModelDocument) -> None:
    problems = []
    for row, patient in enumerate(patients, start=1):
        try:
            refuse_unfit(patient, document)
        except RefusedPatientError as error:
            problems += [
                FieldProblem(problem.field, problem.problem, problem.allowed, row)
                for problem in error.problems
            ]
    if problems:
        message = f"The model {document.name} cannot be asked about some rows (counted from 1)."
        raise DataError(message, problems)


def _refuse_other_code(stored: Path) -> None:
    """Raise unless the packages that were imported are those stored with the model.

    Python keeps the package that was imported first, whatever is put on its path later, so that a
    model would silently run on other code than its own.
    """
    for package in (data_schemas, features, serving):
        imported = Path(str(package.__file__)).parent
        if not _same_files(stored / imported.name, imported):
            raise ModelError(
                f"This process has imported `{imported.name}` from {imported}, which differs from "
                "the code stored with the model. Load the model in a fresh process, before "
                "anything of the project is imported; or load its artefact with the installed "
                "code: ResponsePredictor.load."
            )


def _same_files(stored: Path, imported: Path) -> bool:
    names = [
        path.relative_to(stored)
        for path in stored.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    _, different, unreadable = filecmp.cmpfiles(stored, imported, names, shallow=False)
    return bool(names) and not different and not unreadable


set_model(TmsResponseModel())
