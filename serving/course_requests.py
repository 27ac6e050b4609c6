"""The `course` beside a patient's record in a request, and what `/docs.json` says of it."""

from typing import Any, Final

from pydantic import ValidationError

from data_schemas.course import MOST_VISITS, Course, CourseVisit
from data_schemas.errors import FieldProblem, field_problems
from serving.course import landmark_of
from serving.openapi_examples import example_course
from serving.predictor import ResponsePredictor
from serving.requests import RequestError, refuse_absurd_names

PATIENT_IN_TREATMENT: Final = "PatientInTreatment"
_FIELD: Final = "course"
_MESSAGE: Final = "The course of treatment is not valid; nothing was predicted."


def take_course(content: Any) -> tuple[Any, Course | None]:  # noqa: ANN401
    """Part what was sent into a patient's record and his course; None where none was sent.

    Raises
    ------
    RequestError
        422, naming each entry, what is wrong with it and what is allowed, strictly as for a
        patient.
    """
    if not isinstance(content, dict) or _FIELD not in content:
        return content, None
    record = {name: value for name, value in content.items() if name != _FIELD}
    visits = content[_FIELD]
    return record, None if visits is None else _course(visits)


def _course(visits: Any) -> Course:  # noqa: ANN401
    if not isinstance(visits, list) or len(visits) > MOST_VISITS:
        allowed = f"a list of 1 to {MOST_VISITS} scores, each with its session or day"
        problem = FieldProblem(_FIELD, "should be a list of scores", allowed)
        raise RequestError(422, "invalid_course", _MESSAGE, (problem,))
    for visit in visits:
        refuse_absurd_names(visit)
    try:
        return Course.model_validate({"visits": tuple(visits)}, strict=True)
    except ValidationError as error:
        problems = tuple(
            FieldProblem(_renamed(each.field), each.problem, each.allowed)
            for each in field_problems(error, Course)
        )
        raise RequestError(422, "invalid_course", _MESSAGE, problems) from None


def _renamed(field: str) -> str:
    """Return a field as it was sent: the visits of a course are the course."""
    return f"{_FIELD}{field.removeprefix('visits')}" if field.startswith("visits") else field


def patient_schema(predictor: ResponsePredictor) -> dict[str, str]:
    """Return the reference to what a request holds: with a course where models use one."""
    name = PATIENT_IN_TREATMENT if predictor.landmarks else "Patient"
    return {"$ref": f"#/components/schemas/{name}"}


def add_course_schemas(schemas: dict[str, Any], predictor: ResponsePredictor) -> None:
    """Add what a request with a course holds, where models use one.

    Parameters
    ----------
    schemas : dict
        `components.schemas` of an OpenAPI document, with that of a patient; changed in place.
    """
    if not predictor.landmarks:
        return
    schemas[CourseVisit.__name__] = CourseVisit.model_json_schema()
    patient = schemas["Patient"]
    visits = {
        "type": "array",
        "items": {"$ref": f"#/components/schemas/{CourseVisit.__name__}"},
        "minItems": 1,
        "maxItems": MOST_VISITS,
    }
    course = {
        "anyOf": [visits, {"type": "null"}],
        "default": None,
        "description": "Scores during treatment so far, the earliest first: the model of the "
        "latest week that they reach answers.",
        "examples": [example_course(landmark_of(predictor.landmarks[0]))],
    }
    schemas[PATIENT_IN_TREATMENT] = {
        **patient,
        "title": PATIENT_IN_TREATMENT,
        "properties": {**patient["properties"], _FIELD: course},
    }
