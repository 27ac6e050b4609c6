"""The fitted model in MLflow: its signature, its made-up example, its code, and its version."""

import contextlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pandas as pd

from data_schemas.patient import Patient
from serving.model_document import ModelDocument
from serving.openapi_examples import example_patient
from serving.patient_frame import (
    answer_columns,
    frame_columns,
    patients_to_frame,
)
from serving.predictor import ResponsePredictor

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

CHAMPION: Final = "champion"
# Where the artefact lies in a logged model; `serving.registry` looks for it there.
ARTIFACT_NAME: Final = "model"

_DIGEST: Final = "model_digest"
_COURSE_DIGESTS: Final = "course_digests"

_PROJECT = Path(__file__).resolve().parents[2]
_CODE_FOLDERS = ("data_schemas", "features", "serving")
# What the stored code imports to predict; a test compares this list with its import statements.
_REQUIREMENTS = ("lightgbm", "mlflow", "numpy", "orjson", "pandas", "pydantic")


class RegisteredVersion(NamedTuple):
    """A version in the model registry.

    Attributes
    ----------
    name, version : str
        Of the registered model.
    alias : str or None
        `champion` for the first version of a name that answers, else None.
    """

    name: str
    version: str
    alias: str | None

    @property
    def uri(self) -> str:
        """Address of this version, such as `models:/tms-response/3`."""
        return f"models:/{self.name}/{self.version}"


def model_signature(document: ModelDocument) -> "ModelSignature":
    """Return the columns of input and output, all of the input's optional.

    MLflow would enforce such a signature by dropping unknown columns, by refusing whole numbers
    where it says double, and by repeating the rows in its error. Marking it as checked by the model
    itself leaves the table alone until `serving.patient_frame` reads it.
    """
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types.schema import ColSpec, Schema, TensorSpec  # noqa: PLC0415

    extra_names = [extra.name for extra in document.extra_measurements]
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(each.kind, each.name, required=False) for each in frame_columns(extra_names)
    ]
    # Every number but these two is unknown where the model abstains.
    always = {"base_rate": "double", "baseline_log_odds": "double", "abstained": "boolean",
              "notices": "string"}  # fmt: skip
    names = answer_columns([feature.name for feature in document.features])
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(always.get(name, "double"), name, name in always) for name in names
    ]
    signature = ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))
    signature._is_signature_from_type_hint = True  # noqa: SLF001
    return signature


def log_model(client: "MlflowClient", run_id: str, artefact: Path, document: ModelDocument) -> str:
    """Store an artefact with the code that runs it, as a models-from-code pyfunc of a run.

    Returns
    -------
    str
        The identifier of the logged model.
    """
    from mlflow.entities import LoggedModelOutput  # noqa: PLC0415

    run = client.get_run(run_id)
    logged = client.create_logged_model(
        run.info.experiment_id, name=document.name, source_run_id=run_id, params=run.data.params
    )
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        save_model(folder, artefact, document, run_id=run_id, model_id=logged.model_id)
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_id)


def save_model(
    folder: Path,
    artefact: Path,
    document: ModelDocument,
    *,
    run_id: str | None = None,
    model_id: str | None = None,
) -> None:
    """Write an MLflow model: script, copied packages, artefact, signature, example, requirements.

    Parameters
    ----------
    folder : Path
        To be created.
    artefact : Path
        Folder of `ResponsePredictor.save`.
    document : ModelDocument
        Its `model.json`.
    run_id, model_id : str, optional
        Where MLflow keeps it.
    """
    import mlflow.pyfunc  # noqa: PLC0415
    from mlflow.models import Model  # noqa: PLC0415

    mlflow.pyfunc.save_model(
        path=str(folder),
        mlflow_model=Model(model_uuid=model_id, run_id=run_id, model_id=model_id),
        python_model=str(Path(__file__).with_name("pyfunc_model.py")),
        artifacts={ARTIFACT_NAME: str(artefact)},
        code_paths=[str(_PROJECT / name) for name in _CODE_FOLDERS],
        signature=model_signature(document),
        input_example=_example_records(document),
        # Stated, since MLflow infers them by loading the model in another process.
        pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
        metadata=_metadata(document),
    )


def _example_records(document: ModelDocument) -> list[dict[str, Any]]:
    patient = Patient.model_validate(example_patient(document))
    [row] = patients_to_frame([patient]).to_dict("records")
    return [{str(name): value for name, value in row.items() if pd.notna(value)}]


def _metadata(document: ModelDocument) -> dict[str, Any]:
    return {
        "use": "Research use only; not a medical device.",
        "outcome": document.outcome.describe(),
        "trained_on": document.trained_on.sentence(),
        "interval": f"{document.interval.level:.0%}: {document.interval.method}",
        "input_example": "A made-up patient.",
    }


def is_tagged_as(predictor: ResponsePredictor, tags: Mapping[str, str]) -> bool:
    """Tell by the tags of a version whether it is this model, with those of its course."""
    own = _digest_tags(predictor)
    return own == {key: tags[key] for key in (_DIGEST, _COURSE_DIGESTS) if key in tags}


def _digest_tags(predictor: ResponsePredictor) -> dict[str, str]:
    own = {_DIGEST: predictor.document.digest}
    course = " ".join(each.document.digest for each in predictor.landmarks)
    return {**own, _COURSE_DIGESTS: course} if course else own


def register_model(
    client: "MlflowClient", name: str, run_id: str, model_id: str, predictor: ResponsePredictor
) -> RegisteredVersion:
    """Register a logged model; the first version that answers becomes the champion of its name.

    A model that always abstains is registered and never a champion by itself. Of two first runs
    that end at the same moment, the later one to ask keeps the alias; both are whole models.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    document = predictor.document
    with contextlib.suppress(MlflowException):  # It exists; if it does not, the next call says why.
        client.create_registered_model(name)
    created = client.create_model_version(
        name,
        source=f"models:/{model_id}",
        run_id=run_id,
        model_id=model_id,
        description=f"Predicts {document.outcome.describe()}. "
        f"Trained on {document.trained_on.sentence()}.",
        tags=_digest_tags(predictor),
        await_creation_for=0,
    )
    number = str(created.version)
    answers = document.abstention.always is None
    alias = CHAMPION if answers and not _has_champion(client, name) else None
    if alias is not None:
        client.set_registered_model_alias(name, alias, number)
    return RegisteredVersion(name, number, alias)


def _has_champion(client: "MlflowClient", name: str) -> bool:
    return CHAMPION in client.get_registered_model(name).aliases
