"""A functional connectome: correlations between the parcels of an atlas, and its quality."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from data_schemas.connectome_summary import ConnectomeSummary
from data_schemas.errors import DataError
from data_schemas.positive_definite import has_eigenvalue_below

FloatArray = npt.NDArray[np.float64]

MINIMUM_PARCELS = 2
MAXIMUM_PARCELS = 1200  # 4S1056 is the largest atlas that the readers meet
SYMMETRY_TOLERANCE = 1e-6
RANGE_TOLERANCE = 1e-6


def _as_correlations(values: object) -> FloatArray:
    """Return a read-only float64 vector; None stands for a missing correlation."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("must be a list of numbers, with null where missing") from None
    if array.ndim != 1:
        raise ValueError("must be one flat list, the rows of the upper triangle one after another")
    if np.any(np.abs(array) > 1 + RANGE_TOLERANCE):
        raise ValueError("holds numbers outside -1 to 1; Pearson correlations are expected")
    array = np.clip(array, -1.0, 1.0)
    array.flags.writeable = False
    return array


def _as_json(array: FloatArray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in array]


Correlations = Annotated[
    FloatArray,
    BeforeValidator(_as_correlations),
    PlainSerializer(_as_json, when_used="json"),
    WithJsonSchema({"type": "array", "items": {"type": ["number", "null"]}}),
]
Coverage = Annotated[float, Field(ge=0, le=1)]


class Connectome(BaseModel):
    """Pearson correlations between parcels, from one resting-state scan before treatment.

    The matrix is kept as its strict upper triangle, row after row:
    `r(1,2), r(1,3), ..., r(1,n), r(2,3), ...`, with NaN (null in JSON) where a parcel was not
    covered by the scan.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True
    )

    labels: tuple[str, ...] = Field(
        min_length=MINIMUM_PARCELS,
        max_length=MAXIMUM_PARCELS,
        description="Parcel labels in the atlas' own grammar, each once.",
    )
    upper_triangle: Correlations = Field(
        description="Pearson r, -1 to 1; n (n - 1) / 2 numbers for n labels."
    )
    kind: Literal["pearson_r"] = Field(
        default="pearson_r", description="Only Pearson r is accepted, neither covariance nor z."
    )
    n_volumes: int | None = Field(
        default=None, ge=1, le=100_000, description="Volumes retained after censoring."
    )
    mean_framewise_displacement_mm: float | None = Field(
        default=None, ge=0, le=50, description="Mean framewise displacement, in mm."
    )
    coverage: dict[str, Coverage] | None = Field(
        default=None, description="Share of each parcel that the scan covered, 0 to 1, by label."
    )
    global_signal_regressed: bool | None = Field(
        default=None,
        description="Whether the global signal was regressed out; the sign of an "
        "anticorrelation depends on it.",
    )

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        n = len(self.labels)
        if len(set(self.labels)) != n:
            raise ValueError("labels must be unique")
        expected = n * (n - 1) // 2
        if len(self.upper_triangle) != expected:
            raise ValueError(
                f"upper_triangle must hold {expected} numbers for {n} labels, "
                f"and holds {len(self.upper_triangle)}"
            )
        unknown = set(self.coverage or ()) - set(self.labels)
        if unknown:
            raise ValueError("coverage names parcels that are not among the labels")
        return self

    @classmethod
    def from_matrix(
        cls,
        labels: Sequence[str],
        matrix: npt.ArrayLike,
        **quality: Any,  # noqa: ANN401
    ) -> Self:
        """Build a connectome from a full matrix, after checking it.

        Parameters
        ----------
        labels : sequence of str, length n
            Parcel labels, in the order of the rows.
        matrix : array-like of shape (n, n)
            Pearson r in [-1, 1], symmetric to 1e-6, with a diagonal of ones (or NaN).
        **quality
            `n_volumes`, `mean_framewise_displacement_mm`, `coverage`,
            `global_signal_regressed`.

        Raises
        ------
        DataError
            Naming the first parcels at which a check fails.
        """
        square = np.asarray(matrix, dtype=np.float64)
        _check_square(labels, square)
        _check_correlations(labels, square)
        upper = square[np.triu_indices(len(labels), k=1)]
        return cls(labels=tuple(labels), upper_triangle=upper, **quality)

    @property
    def missing_share(self) -> float:
        """Share of the correlations that are missing, 0 to 1."""
        return float(np.mean(np.isnan(self.upper_triangle)))

    @property
    def mean_coverage(self) -> float | None:
        """Mean share of the parcels that the scan covered, or None where not recorded."""
        return float(np.mean(list(self.coverage.values()))) if self.coverage else None

    def matrix(self) -> FloatArray:
        """Return the full symmetric matrix, shape (n, n), with ones on the diagonal."""
        n = len(self.labels)
        full = np.eye(n)
        full[np.triu_indices(n, k=1)] = self.upper_triangle
        return full + np.triu(full, k=1).T


def _check_square(labels: Sequence[str], matrix: FloatArray) -> None:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        shape = " x ".join(str(size) for size in matrix.shape)
        raise DataError(f"A connectome must be a square matrix; this one is {shape}.")
    if len(labels) != matrix.shape[0]:
        raise DataError(
            f"A connectome needs one label a row; {len(labels)} labels were given "
            f"for {matrix.shape[0]} rows."
        )


def _check_correlations(labels: Sequence[str], matrix: FloatArray) -> None:
    problems: Mapping[str, npt.NDArray[np.bool_]] = {
        "is not symmetric": _differs(matrix, matrix.T, SYMMETRY_TOLERANCE),
        "has a diagonal that is not 1, so it holds covariances or z values rather than "
        "correlations": np.diag(np.abs(np.diag(matrix) - 1) > RANGE_TOLERANCE * 1e3),
        "holds numbers outside -1 to 1": np.abs(matrix) > 1 + RANGE_TOLERANCE,
    }
    for problem, where in problems.items():
        if np.any(where):
            row, column = (int(index) for index in np.argwhere(where)[0])
            raise DataError(
                f"The matrix {problem}, first at {labels[row]} with {labels[column]}. "
                "A matrix of Pearson correlations is expected."
            )


def _differs(left: FloatArray, right: FloatArray, tolerance: float) -> npt.NDArray[np.bool_]:
    both_missing = np.isnan(left) & np.isnan(right)
    difference: npt.NDArray[np.bool_] = ~(np.abs(left - right) <= tolerance) & ~both_missing
    return difference


class ConnectomeQuality(BaseModel):
    """The quality below which a connectome is refused. These limits are choices, not facts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_volumes: int = Field(default=150, ge=2)
    maximum_mean_framewise_displacement_mm: float = Field(default=0.5, gt=0)
    minimum_coverage: float = Field(default=0.5, ge=0, le=1)
    maximum_missing_share: float = Field(default=0.1, ge=0, le=1)
    # Two decimals bring 1,000 parcels of 150 volumes to -0.17; Fisher z in the place of r brings
    # 14 single scans of the Human Connectome Project, 94 to 400 parcels, to -0.23 and below.
    minimum_eigenvalue: float = Field(default=-0.2, le=0, allow_inf_nan=False)

    def refusal(self, connectome: Connectome | ConnectomeSummary) -> str | None:
        """Return why a connectome, or its summary, is refused, or None when it is accepted.

        What was not recorded is not held against the scan. The sentence names limits only.
        """
        volumes = connectome.n_volumes
        if volumes is not None and volumes < self.minimum_volumes:
            return f"fewer than {self.minimum_volumes} volumes were retained"
        motion = connectome.mean_framewise_displacement_mm
        if motion is not None and motion > self.maximum_mean_framewise_displacement_mm:
            limit = self.maximum_mean_framewise_displacement_mm
            return f"mean framewise displacement is above {limit} mm"
        missing = connectome.missing_share
        if missing is not None and missing > self.maximum_missing_share:
            return f"more than {self.maximum_missing_share:.0%} of the correlations are missing"
        covered = connectome.mean_coverage
        if covered is not None and covered < self.minimum_coverage:
            return f"mean parcel coverage is below {self.minimum_coverage:.0%}"
        if isinstance(connectome, Connectome) and self._is_impossible(connectome):
            return (
                f"the matrix is not positive semi-definite (an eigenvalue is below "
                f"{self.minimum_eigenvalue:g}), so that no time series have these correlations"
            )
        return None

    def _is_impossible(self, connectome: Connectome) -> bool:
        return has_eigenvalue_below(
            connectome.upper_triangle, len(connectome.labels), self.minimum_eigenvalue
        )
