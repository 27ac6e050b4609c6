"""A patient and the file of a connectome in one multipart/form-data body.

| part         | holds                                                         |
|--------------|---------------------------------------------------------------|
| `patient`    | the record as JSON, without a connectome                      |
| `connectome` | the file, in one of the formats that are read                 |
| `quality`    | optional JSON: what the file does not tell of its scan        |

The name that the sender gave the file opens no file and is never repeated: it may hold that of
the patient.
"""

import re
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from data_schemas.connectome import Connectome, Coverage
from data_schemas.course import Course
from data_schemas.errors import DataError, FieldProblem, field_problems
from data_schemas.patient import Patient
from features.readers import read_uploaded_connectome
from serving.course_requests import take_course
from serving.multipart import Part, read_parts
from serving.requests import RequestError, parse_json, parse_patient

MAXIMUM_FILE_BYTES: Final = 20_000_000
MAXIMUM_RECORD_BYTES: Final = 256 * 1024
_LONGEST_MESSAGE: Final = 400
_LIMITS: Final = {
    "patient": MAXIMUM_RECORD_BYTES,
    "connectome": MAXIMUM_FILE_BYTES,
    "quality": MAXIMUM_RECORD_BYTES,
}
# What readers learn from a name; all else of it is dropped.
_TOLD_BY_NAME = re.compile(r"_desc-[0-9]{1,5}volumes(?=_)|_(?:relmat|conmat|timeseries)(?=[.])")
_ENDING = re.compile(r"\.(?:tsv|csv|txt|npy|npz|mat|parquet|json)(?:\.gz)?$", re.IGNORECASE)


class UploadedQuality(BaseModel):
    """What the file of a connectome does not tell of its scan; what is given here wins."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    n_volumes: int | None = Field(
        default=None, description="Volumes retained after censoring.", examples=[240]
    )
    mean_framewise_displacement_mm: float | None = Field(
        default=None, description="Mean framewise displacement, in mm.", examples=[0.12]
    )
    coverage: dict[str, Coverage] | None = Field(
        default=None,
        description="Share of each parcel that the scan covered, 0 to 1, by label.",
        examples=[{"LH_Default_PFC_1": 0.98}],
    )
    global_signal_regressed: bool | None = Field(
        default=None, description="Whether the global signal was regressed out.", examples=[False]
    )


async def read_upload(request: Request) -> dict[str, Part]:
    """Read the parts of an upload, bounded; they are not yet parsed.

    Raises
    ------
    RequestError
        As `serving.multipart.read_parts`, and 422 when one of the two parts is missing.
    """
    parts = await read_parts(request, _LIMITS)
    missing = [name for name in ("patient", "connectome") if name not in parts]
    if missing:
        message = "The form lacks a part; nothing was predicted."
        problems = tuple(FieldProblem(name, "is required") for name in missing)
        raise RequestError(422, "missing_part", message, problems)
    return parts


def uploaded_bytes(parts: dict[str, Part]) -> bytes:
    """Return what an upload says, whatever separates its parts: for telling a repeated one."""
    ordered = (parts[name] for name in sorted(parts))
    return b"".join(
        f"{part.name}\n{part.filename}\n{len(part.data)}\n".encode() + part.data for part in ordered
    )


def uploaded_patient(parts: dict[str, Part]) -> tuple[Patient, Course | None]:
    """Return the patient of an upload, with the connectome of the file, and the course sent.

    Raises
    ------
    RequestError
        400 when a part is not JSON; 422 when the record, the file or the quality is not valid, or
        the record holds a connectome too.
    """
    record, course = take_course(parse_json(bytes(parts["patient"].data)))
    patient = parse_patient(record)
    if patient.scan is not None:
        message = "The patient's record holds a connectome beside the file; send only one."
        field = "connectome" if patient.connectome is not None else "connectome_summary"
        problem = FieldProblem(field, "stands beside a file; send only one")
        raise RequestError(422, "invalid_patient", message, (problem,))
    connectome = _read_file(parts["connectome"])
    if "quality" in parts:
        connectome = _with_quality(connectome, parse_json(bytes(parts["quality"].data)))
    return patient.model_copy(update={"connectome": connectome}), course


def neutral_name(filename: str) -> str:
    """Return the name of an uploaded file without anything but what tells its format.

    Examples
    --------
    >>> neutral_name("../../sub-Jones_atlas-4S456Parcels_stat-pearsoncorrelation_relmat.tsv")
    'connectome_relmat.tsv'
    """
    tail = filename[-256:]
    ending = _ENDING.search(tail)
    return "".join(("connectome", *_TOLD_BY_NAME.findall(tail), ending[0] if ending else ""))


def _read_file(part: Part) -> Connectome:
    name = neutral_name(part.filename)
    try:
        return read_uploaded_connectome(name, bytes(part.data), limit_bytes=MAXIMUM_FILE_BYTES)
    except DataError as error:
        # A sentence may name labels of the file, which are as long as their sender likes.
        message = error.message[:_LONGEST_MESSAGE]
        raise RequestError(422, "invalid_connectome", message, error.problems) from None


def _with_quality(connectome: Connectome, content: object) -> Connectome:
    try:
        quality = UploadedQuality.model_validate(content, strict=True)
        given = quality.model_dump(exclude_none=True)
        return Connectome.model_validate({**dict(connectome), **given})
    except ValidationError as error:
        problems = tuple(field_problems(error))
        message = "The part 'quality' is not valid; nothing was predicted."
        raise RequestError(422, "invalid_quality", message, problems) from None
