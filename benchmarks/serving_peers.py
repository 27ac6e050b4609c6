"""What a user would pick instead: the same boosters behind other servers.

Each gets named features as JSON, and answers with the probability and what each feature
contributes. None validates a patient, records an answer or asks who is calling. An application is
chosen by the variable PEER_FOLDER, which holds `booster.txt` and `peer.json`.
"""

import json
import os
import uuid
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

FOLDER = "PEER_FOLDER"


class Peer:
    """Boosters, the names of their features and the affine recalibration of their margin."""

    def __init__(self, folder: Path) -> None:
        described = json.loads((folder / "peer.json").read_text("utf-8"))
        self.names: list[str] = described["names"]
        self.slope, self.intercept = described["slope"], described["intercept"]
        self.booster = lightgbm.Booster(model_file=folder / "booster.txt")

    def rows(self, records: list[dict[str, float | None]]) -> Any:
        """Return features as an array of float64, NaN where a record has none."""
        return np.array([[each.get(name) for name in self.names] for each in records], dtype=float)

    def by_lightgbm(self, X: Any, threads: int = 1) -> list[dict[str, Any]]:
        """Answer by `pred_contrib`."""
        parts = np.asarray(self.booster.predict(X, pred_contrib=True, num_threads=threads))
        margin = self.slope * parts.sum(axis=1) + self.intercept
        return self.answers(1 / (1 + np.exp(-margin)), self.slope * parts[:, :-1])

    def answers(self, p: Any, contributions: Any) -> list[dict[str, Any]]:
        """Return probability and named contributions, a patient each."""
        return [
            {"probability": float(one), "contributions": dict(zip(self.names, each, strict=True))}
            for one, each in zip(p, contributions.tolist(), strict=True)
        ]


async def empty_app(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing, at once: the ceiling of the server and of the client."""
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


def recorded_app() -> Any:
    """Return an application that does nothing but keep the same answer in our ledger: our floor."""
    from serving.ledger.entries import Asked, Predicted
    from serving.ledger.start import open_ledger

    kept = json.loads((Path(os.environ[FOLDER]) / "answer.json").read_text("utf-8"))
    row, names = np.array(kept["row"], dtype=float), tuple(kept["names"])
    ledger = open_ledger(apart=True)
    assert ledger is not None

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            content = {**kept["content"], "prediction_id": str(uuid.uuid4())}
            await ledger.record(Asked("/predict", "peer"), [Predicted(content, row, names)])
            await empty_app(scope, receive, send)

    return app


def numpy_app() -> Any:
    """Return FastAPI as a good engineer writes it: arrays and LightGBM's own TreeSHAP."""
    from fastapi import FastAPI
    from pydantic import create_model

    peer = Peer(Path(os.environ[FOLDER]))
    fields: dict[str, Any] = dict.fromkeys(peer.names, (float | None, None))
    patient: Any = create_model("Features", **fields)
    app = FastAPI()

    async def predict(features: Any) -> Any:
        return peer.by_lightgbm(peer.rows([features.model_dump()]))[0]

    async def predict_batch(batch: Any) -> Any:
        return peer.by_lightgbm(peer.rows([each.model_dump() for each in batch]))

    predict.__annotations__["features"] = patient
    predict_batch.__annotations__["batch"] = list[patient]
    app.post("/predict")(predict)
    app.post("/predict_batch")(predict_batch)
    return app


def pandas_app() -> Any:
    """Return FastAPI as people write it: records, pandas and `shap.TreeExplainer`."""
    import shap
    from fastapi import FastAPI

    peer = Peer(Path(os.environ[FOLDER]))
    explainer: Any = shap.TreeExplainer(peer.booster)
    app = FastAPI()

    def answer(records: list[dict[str, float | None]]) -> Any:
        frame = pd.DataFrame(records, columns=peer.names, dtype=float)
        margin = peer.slope * np.asarray(peer.booster.predict(frame, raw_score=True))
        values = peer.slope * np.asarray(explainer.shap_values(frame)).reshape(len(frame), -1)
        return peer.answers(1 / (1 + np.exp(-margin - peer.intercept)), values)

    @app.post("/predict")
    def predict(record: dict[str, float | None]) -> Any:
        return answer([record])[0]

    @app.post("/predict_batch")
    def predict_batch(records: list[dict[str, float | None]]) -> Any:
        return answer(records)

    return app


def write_bento(folder: Path, workers: str) -> str:
    """Write BentoML's typed endpoint as its tutorial does, with one worker (its default) and two.

    Returns the name of the service that has so many.
    """
    code = """
        import bentoml
        from pathlib import Path
        from benchmarks.serving_peers import Peer

        @bentoml.service(name="typed_peer", workers=WORKERS)
        class TypedPeer:
            def __init__(self) -> None:
                self.peer = Peer(Path(__file__).parent)

            @bentoml.api
            def predict(self, record: dict) -> dict:
                return self.peer.by_lightgbm(self.peer.rows([record]))[0]

            @bentoml.api
            def predict_batch(self, records: list) -> list:
                return self.peer.by_lightgbm(self.peer.rows(records))
    """
    lines = [line.removeprefix("        ") for line in code.splitlines()]
    for number in ("1", "2"):
        text = "\n".join(lines).replace("WORKERS", number)
        (folder / f"typed_peer_{number}.py").write_text(text, "utf-8")
    return f"typed_peer_{workers}:TypedPeer"


def save_mlflow(folder: Path, *, tensor: bool) -> Path:
    """Save the boosters as an MLflow model with the usual column signature, or a tensor one."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.pyfunc.model import PythonModel
    from mlflow.types import ColSpec, Schema, TensorSpec

    names = Peer(folder).names
    spec: list[Any] = [ColSpec("double", name, required=False) for name in names]
    if tensor:
        spec = [TensorSpec(np.dtype(np.float64), (-1, len(names)))]
    path = folder / ("mlflow_tensor" if tensor else "mlflow_columns")

    class Explained(PythonModel):
        def load_context(self, context: Any) -> None:
            self.peer = Peer(Path(context.artifacts["peer"]))

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002
            return self.peer.by_lightgbm(np.ascontiguousarray(model_input, dtype=float))

    only = folder / "files"
    only.mkdir(exist_ok=True)
    for name in ("booster.txt", "peer.json"):
        (only / name).write_bytes((folder / name).read_bytes())
    mlflow.pyfunc.save_model(
        path, python_model=Explained(), artifacts={"peer": str(only)},
        signature=ModelSignature(inputs=Schema(spec)), pip_requirements=[],
    )  # fmt: skip
    return path
