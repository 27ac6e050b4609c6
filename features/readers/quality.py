"""How good a scan is, from the files beside it.

What the scan's own file tells goes first, then its sidecar, then the tables of the run
(`features.readers.companions`).

The sidecar has the name of the file and ends in `.json`. Read from it, where present:

| key | meaning |
|-----|---------|
| `num_retained_volumes` | volumes left after censoring (the name used in XCP-D's quality tables) |
| `mean_fd` | mean framewise displacement in mm (as above) |
| `NuisanceParameters` | XCP-D's denoising strategy; tells whether the global signal was regressed |
| `GlobalSignalRegressed` | true or false; wins, for strategies that XCP-D does not name |
"""

import re
from dataclasses import replace
from typing import Any

import orjson
from pydantic import ValidationError

from data_schemas.connectome import Connectome
from data_schemas.errors import FieldProblem, field_problems
from features.readers.companions import coverage, run_quality
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
    """Return the connectome with what its name and the files beside it tell of its quality.

    Raises
    ------
    DataError
        Naming the file beside it that cannot be read or holds what cannot be.
    """
    quality = run_quality(source) | {"coverage": coverage(source, connectome.labels)}
    if volumes := re.search(r"_desc-([0-9]{1,5})volumes_", source.name):
        quality["n_volumes"] = int(volumes.group(1))
    sidecar = source.companion(f"{source.stem}.json")
    if sidecar is not None:
        quality |= _known(_sidecar_quality(sidecar))
    if not _known(quality):
        return connectome
    quality |= _known(dict(connectome))
    try:
        return Connectome(**quality)
    except ValidationError as error:
        # All else has passed its checks, so that only the sidecar or the name can be wrong.
        if sidecar is None:
            refuse(source.where, "The name tells of a number of volumes that cannot be.")
        refuse(sidecar.where, "The sidecar holds what cannot be.", *_problems(error))


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


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


def _problems(error: ValidationError) -> list[FieldProblem]:
    return [
        replace(problem, field=_SIDECAR_KEYS.get(problem.field, problem.field))
        for problem in field_problems(error)
    ]
