"""The sections of `parameters.toml`, typed and bounded."""

from typing import Annotated, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.simulator.scales import RoundedScale

ScenarioName = Literal["null", "conservative", "elbau", "optimistic"]
SCENARIOS: Final[tuple[str, ...]] = get_args(ScenarioName)

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Correlation = Annotated[float, Field(gt=-1, lt=1)]


class Section(BaseModel):
    """A table of the file: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Scenario(Section):
    """How much connectivity is worth; log-odds per SD of the true value."""

    summary: str
    intercept: float
    clinical_scale: NotNegative
    sgacc: float
    default_mode: float
    frontoparietal: float
    sgacc_slope_sd: NotNegative


class Effects(Section):
    """Log-odds of the improving class, per SD or yes against no."""

    severity: float
    anxiety: float
    failed_trials: float
    log_duration: float
    employed: float
    female: float
    benzodiazepine: float
    psychotic: float
    recurrent: float
    age: float
    age_squared: float


class SiteEffects(Section):
    """Spread between sites of the intercept and of the anxiety effect, in log-odds."""

    intercept_sd: NotNegative
    anxiety_slope_sd: NotNegative


class Improvement(Section):
    """Fractional improvement of improvers and others: means, SDs, and the rater's noise."""

    improver_mean: float
    improver_sd: Positive
    other_mean: float
    other_sd: Positive
    rating_noise_sd_points: Positive


class Correlations(Section):
    """Correlations of the standardised predictors."""

    anxiety_severity: Correlation
    failures_duration: Correlation


class Prevalence(Section):
    """Shares of patients; the benzodiazepine is logistic in anxiety."""

    employed: Share
    psychotic: Share
    recurrent: Share
    benzodiazepine_intercept: float
    benzodiazepine_anxiety: float


class Measurement(Section):
    """How standardised predictors become points, trials, months and years."""

    severity_maximum_points: int
    anxiety_mean_points: float
    anxiety_sd_points: Positive
    failures_log_mean: float
    failures_log_sd: Positive
    failures_maximum: Annotated[int, Field(ge=2, le=40)]
    failures_under_reported: Share
    failures_over_reported: Share
    duration_log_mean: float
    duration_log_sd: Positive
    age_minimum_years: Annotated[int, Field(ge=10)]
    age_maximum_years: Annotated[int, Field(le=110)]
    phq9_mean_points: float
    phq9_sd_points: Positive
    phq9_severity_correlation: Correlation
    phq9_change_noise_sd_points: NotNegative


class OtherColumns(Section):
    """Columns without an effect of their own."""

    body_mass_index_mean_kg_m2: Positive
    body_mass_index_sd_kg_m2: Positive
    education_mean_years: Positive
    education_sd_years: Positive
    bipolar: Share
    augmentation_failed: Share
    ect_history: Share
    earlier_tms_response: Share
    earlier_tms_no_response: Share
    suicidal_ideation: Share
    antipsychotic: Share
    anticonvulsant: Share
    stimulant: Share
    lithium: Share
    bupropion: Share
    ssri: Share
    snri: Share
    tricyclic: Share
    theta_burst: Share
    right_sided: Share
    coil_site_mean_mni_mm: tuple[float, float, float]
    coil_site_sd_mm: NotNegative
    sessions_planned: tuple[int, ...]
    sessions_planned_share: tuple[Share, ...]


class Profile(Section):
    """One kind of clinic."""

    intercept_offset: float
    female: Share
    ptsd: Share
    age_mean_years: float
    age_sd_years: Positive
    severity_mean_points: float
    severity_sd_points: Positive
    severity_minimum_points: Annotated[int, Field(ge=1)]

    def severity_scale(self, measurement: Measurement) -> RoundedScale:
        """Return how baseline severity is recorded here, in HDRS-17 points."""
        return RoundedScale(
            self.severity_mean_points,
            self.severity_sd_points,
            self.severity_minimum_points,
            measurement.severity_maximum_points,
        )

    def age_scale(self, measurement: Measurement) -> RoundedScale:
        """Return how age is distributed and recorded here, in years."""
        return RoundedScale(
            self.age_mean_years,
            self.age_sd_years,
            measurement.age_minimum_years,
            measurement.age_maximum_years,
        )


class Roster(Section):
    """The sites, column by column, one entry a site."""

    name: tuple[str, ...]
    profile: tuple[str, ...]
    share: tuple[Positive, ...]
    anxiety_missing: tuple[Share, ...]
    scan_weight: tuple[NotNegative, ...]

    @model_validator(mode="after")
    def _columns_are_as_long(self) -> Self:
        if len({len(column) for _, column in self}) != 1:
            raise ValueError("every column needs one entry a site")
        return self


class Missing(Section):
    """Probabilities of being missing; the episode duration is logistic in age."""

    employed: Share
    education: Share
    body_mass_index: Share
    polarity: Share
    recurrent: Share
    psychotic: Share
    ptsd: Share
    failed_trials: Share
    augmentation_failed: Share
    ect_history: Share
    tms_history: Share
    suicidal_ideation: Share
    plan: Share
    coil_site: Share
    medication: Share
    duration_intercept: float
    duration_age: float
    outcome_responders: Share
    outcome_others: Share


class Course(Section):
    """Weekly scores during treatment, given the totals before and after; one entry a week."""

    variance_explained: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    share_reached: tuple[Positive, ...]
    deviation_correlation: Correlation
    visit_shift_sessions: tuple[int, ...]
    visit_shift_share: tuple[Share, ...]
    visit_missing: Share
    stopped_early: Share

    @model_validator(mode="after")
    def _entries_belong_together(self) -> Self:
        if len(self.variance_explained) != len(self.share_reached):
            raise ValueError("variance_explained and share_reached need one entry a week each")
        if len(self.visit_shift_sessions) != len(self.visit_shift_share):
            raise ValueError("every shift of a visit needs its share")
        return self


class Scans(Section):
    """Who has a scan, how long it is, how much the patient moved."""

    share_with_matrix: Share
    volumes: Annotated[int, Field(ge=100)]
    effective_share: Annotated[float, Field(gt=0, le=1)]
    motion_log_mean: float
    motion_log_sd: NotNegative
    censored_per_mm: NotNegative
    dropout: Share
    dropout_parcels: Annotated[int, Field(ge=1)]


class Matrices(Section):
    """The true correlations behind a matrix; variances are shares of one."""

    system_variance: tuple[Share, ...]
    system_variance_sd: NotNegative
    system_coupling: tuple[tuple[float, ...], ...]
    local_variance: Share
    homotopic_variance: Share
    smoothness_mm: Positive
    dlpfc_variance: Positive
    sgacc_mean: Correlation
    sgacc_sd: Positive
    network_sd: Positive
    sgacc_reliability: Share
    network_reliability: Share
