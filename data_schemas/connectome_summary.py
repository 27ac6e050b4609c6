"""A connectome that was summarised elsewhere: network means and the quality of their scan."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

SummaryName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
SummaryValue = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]

MAXIMUM_SUMMARY_VALUES = 200


class ConnectomeSummary(BaseModel):
    """The connectivity features of one resting-state scan, in place of its connectome.

    It is answered as the connectome itself would be: the values are those of the features of the
    same names, and the quality facts pass the same gates. Which names and ranges there are,
    `features.summary` knows.

    Examples
    --------
    >>> summary = ConnectomeSummary(values={"fc_within_default": 0.31}, n_volumes=240)
    >>> summary.mean_coverage is None
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    values: dict[SummaryName, SummaryValue | None] = Field(
        min_length=1,
        max_length=MAXIMUM_SUMMARY_VALUES,
        description="Connectivity features by name, unharmonised, such as the mean Fisher z within "
        "a network; null, or left out, where unknown.",
        examples=[{"fc_within_default": 0.31, "fc_between_cont_default": 0.08}],
    )
    n_volumes: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Volumes retained after censoring.",
        examples=[240],
    )
    mean_framewise_displacement_mm: float | None = Field(
        default=None,
        ge=0,
        le=50,
        description="Mean framewise displacement, in mm.",
        examples=[0.12],
    )
    mean_coverage: Share | None = Field(
        default=None,
        description="Mean share of the parcels that the scan covered, 0 to 1.",
        examples=[0.97],
    )
    missing_share: Share | None = Field(
        default=None,
        description="Share of the correlations that are missing, 0 to 1.",
        examples=[0.0],
    )
    global_signal_regressed: bool | None = Field(
        default=None,
        description="Whether the global signal was regressed out; the sign of an "
        "anticorrelation depends on it.",
        examples=[False],
    )
