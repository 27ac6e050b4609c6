"""One model of several: the one before treatment, or that of a week of treatment."""

from data_schemas.errors import UsageError
from serving.course import landmark_of
from serving.predictor import ResponsePredictor


def member_of(predictor: ResponsePredictor, week: float | None) -> ResponsePredictor:
    """Return the model of a landmark; without a week the one before treatment.

    Raises
    ------
    UsageError
        When there is no model of that week.
    """
    if week is None:
        return predictor
    weeks = {landmark_of(each).week: each for each in predictor.landmarks}
    if week not in weeks:
        known = ", ".join(f"{each:g}" for each in weeks) or "none"
        raise UsageError(f"The model has no model of week {week:g} of treatment; it has: {known}.")
    return weeks[week]


def weeks_beside(predictor: ResponsePredictor, week: float | None) -> str:
    """Return the weeks of the other models of the course, such as "1, 2"; empty without any."""
    others = (landmark_of(each).week for each in predictor.landmarks)
    return ", ".join(f"{each:g}" for each in others if each != week)
