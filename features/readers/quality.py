"""How good a scan is, from the files beside it.

The sidecar has the name of the file and ends in `.json`. Read from it, where present:

| key | meaning |
|-----|---------|
| `num_retained_volumes` | volumes left after censoring (the name used in XCP-D's quality tables) |
| `mean_fd` | mean framewise displacement in mm (as above) |
| `NuisanceParameters` | XCP-D's denoising strategy; tells whether the global signal was regressed |
| `GlobalSignalRegressed` | true or false; wins, for strategies that XCP-D does not name |
"""

from dataclasses import replace
from pathlib import PurePath
from typing import Any

import orjson
from pydantic import ValidationError

from data_schemas.connectome import Connectome
from data_schemas.errors import FieldProblem, field_problems
from features.readers.source import Source, refuse

# XCP-D's denoising strategies (its data/nuisance/*.yml): is the global signal among the
# regressors? Unknown for custom ones.
GLOBAL_SIGNAL_REGRESSED = {
    "24P": False, "27P": True, "36P": True, "acompcor": False, "acompcor_gsr": True,
    "aroma": False, "aroma_gsr": True, "gsr_only": True, "rapidtide+36P": True, "none": False,
}  # fmt: skip

_SIDECAR_KEYS = {
    "n_volumes": "num_retained_volumes",
    "mean_framewise_displacement_mm": "mean_fd",
    "global_signal_regressed": "GlobalSignalRegressed",
}


def with_quality(connectome: Connectome, source: Source) -> Connectome:
    """Return the connectome with what the files beside it tell of its quality.

    Raises
    ------
    DataError
        Naming the file beside it that cannot be read or holds what cannot be.
    """
    sidecar = source.companion(PurePath(source.name).with_suffix(".json").name)
    if sidecar is None:
        return connectome
    try:
        return Connectome(**{**dict(connectome), **_sidecar_quality(sidecar)})
    except ValidationError as error:
        # The connectome has passed its checks, so that only the sidecar can be wrong.
        refuse(sidecar.where, "The sidecar holds what cannot be.", *_sidecar_problems(error))


def _sidecar_quality(sidecar: Source) -> dict[str, Any]:
    """Return what the sidecar tells about quality."""
    try:
        content = orjson.loads(sidecar.data)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        refuse(sidecar.where, "The sidecar is not a JSON object.")
    quality = {field: content.get(key) for field, key in _SIDECAR_KEYS.items()}
    if quality["global_signal_regressed"] is None:
        strategy = str(content.get("NuisanceParameters"))
        quality["global_signal_regressed"] = GLOBAL_SIGNAL_REGRESSED.get(strategy)
    return quality


def _sidecar_problems(error: ValidationError) -> list[FieldProblem]:
    return [
        replace(problem, field=_SIDECAR_KEYS.get(problem.field, problem.field))
        for problem in field_problems(error)
    ]
