"""The model card: what a model is for, on whom it was trained, and what its answers mean."""

from pydantic import BaseModel, ConfigDict, Field

from data_schemas.prediction import ModelIdentity
from serving.course import landmark_of
from serving.model_document import ModelDocument
from serving.notices import standing_notices
from serving.predictor import ResponsePredictor


class LandmarkCard(BaseModel):
    """One model in the course of treatment."""

    model_config = ConfigDict(frozen=True)

    week: float = Field(description="Weeks of treatment; it looks at the scores until then.")
    version: str = Field(description="As it stands in its predictions.")


class ModelCard(BaseModel):
    """The answer of `GET /model`."""

    model_config = ConfigDict(frozen=True)

    model: ModelIdentity
    statements: tuple[str, ...] = Field(description="The card in plain sentences.")
    document: ModelDocument = Field(description="The content of model.json.")
    landmarks: tuple[LandmarkCard, ...] = Field(
        default=(), description="Models of the course, which answer where a course is sent."
    )


def model_card(predictor: ResponsePredictor) -> ModelCard:
    """Return the card of a model."""
    document = predictor.document
    return ModelCard(
        model=predictor.identity,
        statements=(
            *(notice.message for notice in standing_notices(document)),
            f"It answers with the probability of: {document.outcome.describe()}.",
            f"Trained on {document.trained_on.sentence()}.",
            *_base_rate(document),
            *_inputs(document),
            *_course(predictor),
            *_scanners(document),
            *_reading(document),
            *_abstention(document),
        ),
        document=document,
        landmarks=tuple(
            LandmarkCard(week=landmark_of(each).week, version=each.identity.version)
            for each in predictor.landmarks
        ),
    )


def _base_rate(document: ModelDocument) -> list[str]:
    if not document.updates:
        return [f"In training, {document.base_rate:.0%} reached the outcome (the base rate)."]
    return [
        *(
            f"Updated by {update.method} on the outcomes of {update.n_patients} patients of "
            f"{update.place}; before, it was version {update.parent}."
            for update in document.updates
        ),
        f"Of the latest of them {document.base_rate:.0%} reached the outcome (the base rate).",
    ]


def _course(predictor: ResponsePredictor) -> list[str]:
    """Say from which weeks of treatment on scores are used, where they are."""
    if not predictor.landmarks:
        return ["Scores during treatment are not used: it answers before treatment only."]
    landmarks = [landmark_of(each) for each in predictor.landmarks]
    weeks = ", ".join(f"{each.week:g}" for each in landmarks)
    return [
        (
            f"Sent with the scores during treatment ({landmarks[0].instrument}), it answers by a "
            f"model of its own for the end of each of these weeks: {weeks}. Patients who stopped "
            "treatment, or whose outcome is unknown, were not learned from, and no weights make "
            "up for them."
        )
    ]


def _inputs(document: ModelDocument) -> list[str]:
    scales = (
        ("Depression", document.depression_instrument),
        ("Anxiety", document.anxiety_instrument),
    )
    statements = [
        f"{scale} totals are accepted on the {instrument} only; totals are never converted."
        for scale, instrument in scales
        if instrument is not None
    ]
    if (table := document.connectome.node_table) is not None:
        statements.append(
            f"Connectomes are accepted on the {len(table.nodes)} parcels of its node table only; "
            "which network each belongs to is the judgement of those who made the table."
        )
    if document.required_fields:
        statements.append(f"Required fields: {', '.join(document.required_fields)}.")
    statements.append("Every other input may be missing; a missing one is unknown, never 'no'.")
    return statements


def _scanners(document: ModelDocument) -> list[str]:
    effects = document.harmonisation
    if effects is None or not effects.sites:
        return []
    trained = ", ".join(shift.site for shift in effects.sites if not shift.adapted)
    statements = [
        (
            f"What scanners add to connectivity is taken away (ComBat) for patients of {trained}; "
            "of any other site connectivity is used as it was measured."
        )
    ]
    statements += [
        f"The scanner of {shift.site} was learned after training, from {shift.n_scans} scans."
        for shift in effects.sites
        if shift.adapted
    ]
    if document.adapted_from is not None:
        statements.append(f"All else is as in version {document.adapted_from}.")
    return statements


def _reading(document: ModelDocument) -> list[str]:
    if document.booster is None:
        return ["It has no intervals and no contributions, since it found nothing to learn."]
    return [
        (
            f"The interval is the {document.interval.method} ({document.interval.level:.0%}): how "
            "the probability moves when the cohort is resampled, not the uncertainty of this "
            "patient's own outcome."
        ),
        (
            "Contributions are associations in the training cohort, not causes; with the baseline "
            "they add up to the log-odds of the probability."
        ),
    ]


def _abstention(document: ModelDocument) -> list[str]:
    rule = document.abstention
    if rule.always is not None:
        return [f"It never answers for a single patient: {rule.always}"]
    unlike = (
        "It declines to answer when one input lies far outside its training range "
        "(`lowest_accepted` to `highest_accepted` of the feature), or when all inputs together "
        f"lie further than {rule.maximum_distance:g} robust standard deviations from the training "
        "cohort, a little further than the most distant 1 % of the training patients."
    )
    if document.serves_base_rate:
        return [unlike]
    missing = (
        "It also declines when the unknown inputs make up more than "
        f"{rule.maximum_missing_importance:.0%} of its predictions."
    )
    return [unlike, missing]
