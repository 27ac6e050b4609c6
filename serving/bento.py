"""Package a model with the code that serves it: `python -m serving.bento MODEL [--out DIR]`.

The Bento holds `data_schemas/`, `features/`, `serving/`, `model/` and the pinned requirements, and
nothing of training. Serve it anywhere with `bentoml serve DIR`.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from data_schemas.errors import ServiceError, TmsResponseError
from serving.predictor import ResponsePredictor
from serving.registry import resolve_model

PACKAGES: Final = ("data_schemas", "features", "serving")
REQUIREMENTS: Final = "requirements-serving.lock"
_ROOT: Final = Path(__file__).resolve().parent.parent


def build_bento(model: str | Path, out: Path) -> Path:
    """Write a Bento of one model.

    Parameters
    ----------
    model : str or Path
        A folder, or a reference to the registry; see `serving.registry.resolve_model`.
    out : Path
        Folder to write; must be new or empty.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ModelError
        When the model is absent or damaged.
    ServiceError
        When the folder is in use, or the pinned requirements are not beside the packages.
    """
    predictor = ResponsePredictor.load(resolve_model(model))
    requirements = _ROOT / REQUIREMENTS
    if not requirements.is_file():
        raise ServiceError(f"{requirements} is absent; build a Bento from a clone of the project.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ServiceError(f"{out} is not empty; name a new folder for the Bento.")
    with tempfile.TemporaryDirectory(prefix="tms-response-bento-") as scratch:
        stage, home = Path(scratch, "stage"), Path(scratch, "home")
        _stage(predictor, stage)
        shutil.copyfile(requirements, stage / REQUIREMENTS)
        shutil.copytree(_built(stage, home, predictor), out, dirs_exist_ok=True)
        # BentoML appends itself without a hash, which pip refuses beside hashed requirements.
        shutil.copyfile(requirements, out / "env" / "python" / "requirements.txt")
    return out


def _stage(predictor: ResponsePredictor, stage: Path) -> None:
    for package in PACKAGES:
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_ROOT / package, stage / package, ignore=unwanted)
    predictor.save(stage / "model")


def _built(stage: Path, home: Path, predictor: ResponsePredictor) -> Path:
    """Let BentoML build the staged folder in a private store, and return the built folder."""
    home.mkdir()
    os.environ["BENTOML_HOME"] = str(home)
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    import bentoml  # noqa: PLC0415

    identity = predictor.identity
    bento = bentoml.bentos.build(
        "serving.service:TmsResponseService",
        version=identity.version.replace("+", "-"),
        description=f"Research use only; not a medical device. Trained on {identity.trained_on}.",
        build_ctx=str(stage),
        python={"requirements_txt": REQUIREMENTS, "lock_packages": False},
    )
    return Path(bento.path)


def main(arguments: Sequence[str]) -> int:
    """Build a Bento from command-line arguments and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m serving.bento", description=__doc__)
    parser.add_argument("model", help="folder of a model, or models:/NAME@ALIAS")
    parser.add_argument("--out", type=Path, default=Path("bento"), help="folder to write")
    given = parser.parse_args(arguments)
    try:
        out = build_bento(given.model, given.out)
    except TmsResponseError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(f"Bento: {out}\nServe it with: bentoml serve {out.resolve()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
