"""An example for every field in `/docs.json`, taken from whole records that fit together."""

from collections.abc import Iterable
from datetime import date
from math import ceil
from typing import Any

from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel

from data_schemas.connectome import Connectome
from data_schemas.connectome_summary import ConnectomeSummary
from data_schemas.course import DAYS_A_WEEK, CourseVisit
from data_schemas.extra import ExtraDeclaration
from data_schemas.filled_card import (
    CardAnswer,
    CardGroup,
    CardItem,
    CardPart,
    CardPlace,
    CardStandard,
    CardTable,
    FilledCard,
)
from data_schemas.instruments import get_instrument
from data_schemas.outcome_report import OutcomeReceipt, OutcomeReport
from data_schemas.patient import Patient
from data_schemas.prediction import (
    Contribution,
    ErrorBody,
    ErrorDetail,
    ErrorField,
    Interval,
    Notice,
    Prediction,
)
from features.nodes import Node, NodeTable
from features.site_effects import SiteEffects, SitePrior, SiteShift
from serving.cds_hooks.documents import EXAMPLES
from serving.known_scanners import named_features
from serving.model_card import LandmarkCard, model_card
from serving.model_document import (
    BoosterDocument,
    LandmarkDocument,
    ModelDocument,
    SpreadDocument,
)
from serving.predictor import ResponsePredictor
from serving.update_document import LocalUpdate

EXAMPLE_ERROR = ErrorBody(
    error=ErrorDetail(
        code="invalid_patient",
        message="The patient's record is not valid; nothing was predicted.",
        fields=(ErrorField(field="age_years", problem="is out of range", allowed="at most 110"),),
    )
)
_PREDICTED = "7f2c1e0a-5d0b-4a52-9f7e-0d5c1b1f4a11"
EXAMPLE_OUTCOME = OutcomeReport(
    prediction_id=_PREDICTED, measured_on=date(2026, 3, 31), responded=True
)
EXAMPLE_RECEIPT = OutcomeReceipt(prediction_id=_PREDICTED, status="recorded", reports=1)
_PARTS_OF_SOME_MODELS = (
    Interval(lower=0.31, upper=0.62, level=0.9, method="spread of 200 bootstraps of the pipeline"),
    Contribution(
        feature="failed_trials",
        label="Antidepressant trials failed in this episode",
        value=3.0,
        unit="trials",
        log_odds=-0.21,
    ),
    Notice(code="unseen_site", field="site", message="No training patient came from this site."),
    BoosterDocument(sha256="0" * 64, n_bags=20, trees_per_bag=60),
    SpreadDocument(sha256="0" * 64, n_replicates=200),
    LandmarkDocument(week=2, instrument="HDRS-17", sessions_a_week=5),
    LocalUpdate(
        parent="0.1.0+58c6d2ac26bb",
        method="recalibration in the large",
        place="Clinic A",
        slope=1.0,
        intercept=-0.34,
        level_error=0.12,
        n_patients=310,
        n_events=124,
        p_unchanged=0.004,
        p_level=0.4,
    ),
    LandmarkCard(week=2, version="0.5.0+4f2c7d0a91be"),
    CourseVisit(session=5, score=18, instrument="HDRS-17"),
    CourseVisit(day=7, score=18),
    ExtraDeclaration(
        name="grip_kg",
        label="Grip strength",
        meaning="Strongest of three grips of the writing hand.",
        unit="kg",
        minimum=0,
        maximum=100,
    ),
    NodeTable(
        nodes=(
            Node(
                label="Frontal_Mid_2_L",
                network="Cont",
                hemisphere="left",
                centroid_mni_mm=(-33.4, 35.1, 34.1),
            ),
            Node(label="Vermis_3"),
        )
    ),
    SiteEffects(
        features=("fc_within_default",),
        covariates=("age_years",),
        covariate_means=(48.0,),
        coefficients=((-0.001,),),
        mean=(0.21,),
        standard_deviation=(0.05,),
        sites=(SiteShift(site="clinic-a", location=(0.4,), scale=(1.1,), n_scans=24),),
        prior=SitePrior(
            location_mean=0.0, location_variance=0.2, variance_shape=12.0, variance_rate=11.0
        ),
        reference_site="clinic-a",
    ),
)
_CARD = FilledCard(
    model_name="tms-response",
    model_version="0.1.0+58c6d2ac26bb",
    title="Predicting response on the HDRS-17 before treatment",
    warnings=("Research software, not a medical device.",),
    answers=(
        CardAnswer(question="For whom?", short="240 patients at 4 sites", details=("Adults",)),
    ),
    tables=(CardTable(caption="Inputs", header=("Input", "Unit"), rows=(("Age", "years"),)),),
    standards=(
        CardStandard(
            key="hti-1", title="HTI-1", reference="45 CFR 170.315", note="United States rules.",
            groups=(CardGroup(title="Purpose", items=(
                CardItem(
                    number="7", name="Intended users", verdict="for the reviewer to judge",
                    parts=(CardPart(label="Users", text="Psychiatrists", source="owner"),),
                    places=(CardPlace(file="report.html", anchor="limits", title="Limits"),),
                ),
            )),),
        ),
    ),
)  # fmt: skip
_SESSIONS_PLANNED = 30
_LABELS = ("LH_Default_PFC_1", "LH_Default_PFC_2", "RH_Cont_PFCl_1")
EXAMPLE_CONNECTOME = Connectome(
    labels=_LABELS,
    upper_triangle=[0.41, 0.08, 0.12],
    n_volumes=240,
    mean_framewise_displacement_mm=0.12,
    coverage=dict.fromkeys(_LABELS, 0.98),
    global_signal_regressed=False,
)
EXAMPLE_SUMMARY = ConnectomeSummary(
    values={"fc_within_default": 0.31, "fc_between_cont_default": 0.08},
    n_volumes=240,
    mean_framewise_displacement_mm=0.12,
    mean_coverage=0.97,
    missing_share=0.0,
    global_signal_regressed=False,
)


def example_patient(document: ModelDocument) -> dict[str, Any]:
    """Return a made-up patient whom the model answers for, as JSON content."""
    used = [f.name for f in document.features if f.group == "clinical" and f.importance > 0]
    leaned_on = {name for each in named_features(document, used) for name in each.fields}
    shown = {
        "age_years", "sex", "episode_duration_months", "failed_trials", "depression_instrument",
        "depression_total", "anxiety_instrument", "anxiety_total", "benzodiazepine", "target",
        "protocol", "sessions_planned", *document.required_fields, *leaned_on,
    }  # fmt: skip
    whole = whole_patient(document)
    return whole.model_dump(mode="json", include=shown, exclude_defaults=True)


def example_course(landmark: LandmarkDocument) -> list[dict[str, Any]]:
    """Return two made-up scores of the example patient, the last of them at a landmark."""
    total = _two_thirds_of_range(landmark.instrument)
    last = max(2, ceil(landmark.week * landmark.sessions_a_week))
    scores = [{"score": round(0.9 * total)}, {"score": round(0.75 * total)}]
    if last <= _SESSIONS_PLANNED:
        times: list[dict[str, Any]] = [{"session": last // 2}, {"session": last}]
    else:
        times = [{"day": landmark.week * DAYS_A_WEEK / 2}, {"day": landmark.week * DAYS_A_WEEK}]
    return [{**time, **score} for time, score in zip(times, scores, strict=True)]


def whole_patient(document: ModelDocument) -> Patient:
    """Return a made-up patient of whom every field is known, but for the summary of a scan."""
    depression = document.depression_instrument or document.outcome.instrument
    anxiety = document.anxiety_instrument or "GAD-7"
    yes_or_no = {
        name: False
        for name, field in Patient.model_fields.items()
        if field.annotation == (bool | None)
    }
    return Patient(
        **{**yes_or_no, "employed": True, "recurrent": True, "ssri": True},
        age_years=45,
        sex="female",
        education_years=13,
        body_mass_index_kg_m2=24.5,
        polarity="unipolar",
        episode_duration_months=14,
        onset_age_years=28,
        failed_trials=3,
        tms_history="none",
        depression_instrument=depression,
        depression_total=_two_thirds_of_range(depression),
        anxiety_instrument=anxiety,
        anxiety_total=_two_thirds_of_range(anxiety),
        moca_total=27,
        target="left_dlpfc",
        protocol="itbs",
        coil_site_mni_mm=(-38, 44, 26),
        sessions_planned=_SESSIONS_PLANNED,
        site="clinic_a",
        connectome=EXAMPLE_CONNECTOME,
        extra={
            each.name: (each.minimum + each.maximum) / 2 for each in document.extra_measurements
        },
    )


def _two_thirds_of_range(instrument: str) -> int:
    scale = get_instrument(instrument)
    return scale.minimum + 2 * (scale.maximum - scale.minimum) // 3


def add_examples(schemas: dict[str, Any], predictor: ResponsePredictor) -> None:
    """Give every property of every schema a title and an example.

    Parameters
    ----------
    schemas : dict
        `components.schemas` of an OpenAPI document; changed in place.
    predictor : ResponsePredictor
        Whose answer and card the examples are taken from.
    """
    examples = _examples(predictor)
    for name, schema in schemas.items():
        for field, declared in schema.get("properties", {}).items():
            declared.setdefault("title", field.replace("_", " ").capitalize())
            if "examples" not in declared and (name, field) in examples:
                declared["examples"] = [examples[name, field]]


def _examples(predictor: ResponsePredictor) -> dict[tuple[str, str], Any]:
    """Return an example by the names of schema and field; null where nothing else is at hand."""
    patient = whole_patient(predictor.document)
    summarised = {"connectome": None, "connectome_summary": EXAMPLE_SUMMARY}
    asked = Patient.model_validate(example_patient(predictor.document))
    # Not as a caller would, whose answers are counted.
    answer, _ = ResponsePredictor.answer(predictor, asked)
    records = (
        patient,
        patient.model_copy(update=summarised),
        patient.model_copy(update={"depression_items": (2,) * 9}),
        Prediction.model_validate(answer),
        model_card(predictor),
        EXAMPLE_ERROR,
        EXAMPLE_OUTCOME,
        _reported(predictor.document.outcome.instrument),
        EXAMPLE_RECEIPT,
        _CARD,
        *_PARTS_OF_SOME_MODELS,
        *EXAMPLES,
    )
    found: dict[tuple[str, str], Any] = {}
    for record in _records_within(records):
        for field, value in jsonable_encoder(record).items():
            key = (type(record).__name__, field)
            if found.get(key) in (None, [], {}, ""):
                found[key] = _short(value)
    return found


def _reported(instrument: str) -> OutcomeReport:
    return OutcomeReport(
        prediction_id=_PREDICTED,
        measured_on=EXAMPLE_OUTCOME.measured_on,
        instrument=instrument,
        final_total=7,
    )


def _records_within(values: Iterable[Any]) -> Iterable[BaseModel]:
    for value in values:
        if isinstance(value, BaseModel):
            yield value
            yield from _records_within(dict(value).values())
        elif isinstance(value, tuple):
            yield from _records_within(value)


def _short(value: Any) -> Any:  # noqa: ANN401
    """Return an example with the first two of a long list; a model has dozens of features."""
    if isinstance(value, dict):
        return {name: _short(each) for name, each in value.items()}
    if isinstance(value, list) and len(value) > 3:
        return [_short(each) for each in value[:2]]
    return value
