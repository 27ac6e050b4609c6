"""One person before the first pulse: every field, with unit, range, meaning and source.

Every field is optional; a missing one is unknown, never "no". Nothing measured after the first
session may enter: such names are refused with the reason.
"""

from bisect import bisect_left
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from data_schemas.connectome import Connectome
from data_schemas.connectome_summary import ConnectomeSummary
from data_schemas.instruments import INSTRUMENTS, get_instrument
from data_schemas.patient_rules import (
    SEVERITY_DOMAINS,
    problems_between_fields,
    refusal,
    with_total_of_items,
    without_what_is_known_later,
)

Sex = Literal["female", "male", "other"]
Polarity = Literal["unipolar", "bipolar"]
TmsHistory = Literal["none", "response", "no_response"]
Target = Literal["left_dlpfc", "right_dlpfc", "bilateral_dlpfc", "dmpfc", "frontal_pole", "other"]
Protocol = Literal["high_frequency", "itbs", "ctbs", "low_frequency", "bilateral", "other"]

# Beyond 120 mm from the anterior commissure there is no brain in MNI space.
Millimetres = Annotated[float, Field(ge=-120, le=120, allow_inf_nan=False)]
ExtraName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]

_RECORDED: Final = "clinic's record"
_MANUAL: Final = "manual of the instrument"
_MAUDSLEY: Final = "Maudsley Staging Method, doi:10.1186/s12888-018-1679-x"
_COMORBIDITY: Final = "Khosravani 2025, doi:10.1038/s41380-025-03153-3"
_WINNIPEG: Final = "Winnipeg 2022, PubMed 36207801"
_ELBAU: Final = "Elbau 2023, doi:10.1176/appi.ajp.20220306"


def _described(
    text: str,
    *,
    unit: str = "",
    source: str = "",
    **limits: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Return an optional field with its unit and source where the JSON Schema shows them."""
    extra: dict[str, Any] = {"unit": unit, "source": source}
    shown = {key: value for key, value in extra.items() if value}
    return Field(default=None, description=text, json_schema_extra=shown, **limits)


class Patient(BaseModel):
    """One person before treatment.

    Examples
    --------
    >>> patient = Patient(depression_instrument="PHQ-9", depression_total=19, failed_trials=3)
    >>> patient.age_years is None
    True
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    # Person
    age_years: float | None = _described(
        "Age at the first session.", unit="years", ge=10, le=110, source="Cotovio 2022, PMC9343621"
    )
    sex: Sex | None = _described("Sex as recorded.", source="doi:10.1080/15622975.2025.2488357")
    employed: bool | None = _described(
        "In paid work or study.", source="Trevizol 2020: OR for remission 1.69 (1.06-2.7)"
    )
    education_years: float | None = _described(
        "Years of formal education.", unit="years", ge=0, le=40, source=_RECORDED
    )
    body_mass_index_kg_m2: float | None = _described(
        "Body mass index.", unit="kg/m2", ge=8, le=120, source="doi:10.1038/s41398-025-03380-w"
    )

    # Illness
    polarity: Polarity | None = _described(
        "Unipolar or bipolar depression.",
        source="Rostami 2017, doi:10.1016/j.clinph.2017.07.395",
    )
    recurrent: bool | None = _described(
        "An earlier depressive episode; false for a single episode.",
        source="Fitzgerald 2016, doi:10.1002/da.22503",
    )
    psychotic_features: bool | None = _described(
        "Psychotic features in the current episode.", source=_MAUDSLEY
    )
    episode_duration_months: float | None = _described(
        "Length of the current episode.", unit="months", ge=0, le=960,
        source="aBLTBS trial: OR 0.9945 a month",
    )  # fmt: skip
    onset_age_years: float | None = _described(
        "Age at the first depressive episode.", unit="years", ge=0, le=110, source=_RECORDED
    )
    anxiety_disorder: bool | None = _described("A diagnosed anxiety disorder.", source=_COMORBIDITY)
    ptsd: bool | None = _described(
        "Post-traumatic stress disorder.", source="VA trial, jamapsychiatry 2686050"
    )
    personality_disorder: bool | None = _described(
        "A diagnosed personality disorder.", source=_COMORBIDITY
    )
    substance_use_disorder: bool | None = _described(
        "A substance use disorder, current.", source=_COMORBIDITY
    )

    # Resistance
    failed_trials: int | None = _described(
        "Antidepressant trials failed at adequate dose and duration, in this episode.",
        unit="trials", ge=0, le=40,
        source="Trevizol 2020; adequacy as in MGH-ATRQ, doi:10.1111/j.1755-5949.2009.00102.x",
    )  # fmt: skip
    augmentation_failed: bool | None = _described(
        "An augmentation has failed in this episode.", source=_MAUDSLEY
    )
    ect_history: bool | None = _described(
        "Any earlier electroconvulsive therapy.", source=_MAUDSLEY
    )
    tms_history: TmsHistory | None = _described(
        "Earlier TMS: none, with response, or without response.",
        source="appi.neuropsych.16100181",
    )

    # Severity
    depression_instrument: str | None = _described(
        "Instrument of depression_total: "
        + ", ".join(i.name for i in INSTRUMENTS.values() if i.domain in SEVERITY_DOMAINS) + ".",
        source=_MANUAL,
    )  # fmt: skip
    depression_total: float | None = _described(
        "Baseline total on that instrument; must lie in its range.", unit="points",
        source="Trevizol 2020: OR for remission 0.64 (0.46-0.88)",
    )  # fmt: skip
    depression_items: tuple[int, ...] | None = _described(
        "Item scores of that instrument, in its order; all of them or none.", unit="points",
        source=_MANUAL,
    )  # fmt: skip
    anxiety_instrument: str | None = _described(
        "Instrument of anxiety_total: "
        + ", ".join(i.name for i in INSTRUMENTS.values() if i.domain == "anxiety") + ".",
        source=_MANUAL,
    )  # fmt: skip
    anxiety_total: float | None = _described(
        "Baseline total on that instrument; must lie in its range.", unit="points",
        source="Trevizol 2020: OR for remission 0.78 (0.60-0.98)",
    )  # fmt: skip
    moca_total: float | None = _described(
        "Montreal Cognitive Assessment total.", unit="points", ge=0, le=30,
        source="doi:10.1016/j.psychres.2024.115822",
    )  # fmt: skip
    suicidal_ideation: bool | None = _described(
        "Any current suicidal ideation; shown to the reader, never used to withhold an answer.",
        source="PHQ-9 item 9, LOINC 44260-8",
    )

    # Medication at baseline
    benzodiazepine: bool | None = _described(
        "Takes a benzodiazepine.", source="OR 0.36, doi:10.1002/brb3.1275"
    )
    antipsychotic: bool | None = _described("Takes an antipsychotic.", source=_WINNIPEG)
    anticonvulsant: bool | None = _described("Takes an anticonvulsant.", source=_WINNIPEG)
    stimulant: bool | None = _described(
        "Takes a psychostimulant.", source="OR 2.29, doi:10.1002/brb3.1275"
    )
    lithium: bool | None = _described("Takes lithium.", source="WHO ATC class N05AN")
    bupropion: bool | None = _described("Takes bupropion.", source=_WINNIPEG)
    ssri: bool | None = _described(
        "Takes a selective serotonin reuptake inhibitor.", source="WHO ATC class N06AB"
    )
    snri: bool | None = _described(
        "Takes a serotonin-noradrenaline reuptake inhibitor.", source="WHO ATC class N06AX"
    )
    tricyclic: bool | None = _described(
        "Takes a tricyclic antidepressant.", source="WHO ATC class N06AA"
    )

    # Plan
    target: Target | None = _described(
        "Planned stimulation target.", source="Fox 2012, doi:10.1016/j.biopsych.2012.04.028"
    )
    protocol: Protocol | None = _described(
        "Planned stimulation protocol.", source="doi:10.1038/s41398-025-03380-w"
    )
    coil_site_mni_mm: tuple[Millimetres, Millimetres, Millimetres] | None = _described(
        "Planned coil site in MNI space: x, y, z.", unit="mm", source=_ELBAU
    )
    sessions_planned: int | None = _described(
        "Sessions planned before the first one, not those given.", unit="sessions", ge=1, le=200,
        source="doi:10.1038/s41398-025-03380-w",
    )  # fmt: skip

    # Where, and what the scanner saw
    site: str | None = _described(
        "Clinic; used to split and harmonise, never as a predictor.", min_length=1, max_length=64,
        source=_RECORDED,
    )  # fmt: skip
    connectome: Connectome | None = _described(
        "Resting-state connectome before treatment.", source=_ELBAU
    )
    connectome_summary: ConnectomeSummary | None = _described(
        "In place of connectome: its connectivity features, computed elsewhere.", source=_ELBAU
    )
    extra: dict[ExtraName, FiniteFloat] = Field(
        default_factory=dict,
        description="Further baseline numbers, each declared with unit and range by the cohort "
        "on which the model was trained.",
        json_schema_extra={"source": "cohort.toml of the model's cohort"},
    )

    @model_validator(mode="wrap")
    @classmethod
    def _fits_together(cls, data: Any, read: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401
        """Check what no field can check alone, in one call, and list all that is wrong at once."""
        problems: list[PydanticCustomError] = []
        if isinstance(data, dict):
            if data.get("extra") or not _FIELDS.issuperset(data):
                data, problems = without_what_is_known_later(data, _FIELDS)
            if data.get("depression_items") is not None:
                data, found = with_total_of_items(data)
                problems += found
        try:
            patient = read(data)
        except ValidationError as error:
            if isinstance(data, dict):
                unread = {place for each in error.errors() for place in each["loc"][:1]}
                rest = _FIELDS & data.keys() - unread
                if not rest.issuperset(_SCANS):
                    # A connectome takes long to read, and matters only beside its summary.
                    rest -= _SCANS
                known = vars(read({name: data[name] for name in rest}))
                problems += problems_between_fields(known, unread)
            raise refusal(cls.__name__, problems, error) from None
        problems += problems_between_fields(vars(patient))
        if problems:
            raise refusal(cls.__name__, problems)
        return patient

    @property
    def scan(self) -> Connectome | ConnectomeSummary | None:
        """What is known of the brain's connectivity, in whichever form."""
        return self.connectome or self.connectome_summary

    def maudsley_stage(self) -> int | None:
        """Return the Maudsley Staging Method score, 3 (mild) to 15, or None when unknown.

        Duration, severity and failed trials are needed; an unknown augmentation or ECT makes the
        stage unknown too.

        Notes
        -----
        Points as tabulated in doi:10.1186/s12888-018-1679-x, table 3: duration up to 12 months 1,
        13 to 24 months 2, longer 3; severity subsyndromal 1, mild 2, moderate 3, severe 4, severe
        with psychotic features 5; trials 1-2, 3-4, 5-6, 7-10, over 10: 1 to 5; augmentation and
        ECT one each. The severity level is the band of the patient's own instrument; no failed
        trial at all scores 1, the lowest step of that scale.
        """
        duration, trials = self.episode_duration_months, self.failed_trials
        augmentation, ect = self.augmentation_failed, self.ect_history
        if duration is None or trials is None or augmentation is None or ect is None:
            return None
        severity_points = self._maudsley_severity()
        if severity_points is None:
            return None
        # A bound itself belongs to the step below it.
        duration_points = 1 + bisect_left((12, 24), duration)
        trial_points = 1 + bisect_left((2, 4, 6, 10), trials)
        return duration_points + severity_points + trial_points + augmentation + ect

    def _maudsley_severity(self) -> int | None:
        if self.depression_instrument is None or self.depression_total is None:
            return None
        band = get_instrument(self.depression_instrument).severity_band(self.depression_total)
        if band is None:
            return None
        # Instruments with a band above "severe" merge the upper two.
        points = 1 + min(band, 3)
        if points == 4 and self.psychotic_features is None:
            return None
        return 5 if points == 4 and self.psychotic_features else points


_FIELDS: Final = frozenset(Patient.model_fields)
_SCANS: Final = frozenset({"connectome", "connectome_summary"})
