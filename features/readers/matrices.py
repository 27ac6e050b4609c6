"""From labels and numbers to a connectome: the checks and sums that all formats share."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from data_schemas.connectome import MAXIMUM_PARCELS, MINIMUM_PARCELS, Connectome
from data_schemas.errors import DataError, FieldProblem
from features.readers.source import refuse

FloatArray = npt.NDArray[np.float64]

MAXIMUM_VOLUMES = 100_000
# With two volumes every correlation is 1 or -1.
MINIMUM_VOLUMES = 3


def check_labels(where: str, labels: Sequence[str], first_column: int = 1) -> None:
    """Refuse labels of which there are too few or many, or that are empty or repeated.

    Parameters
    ----------
    where : str
        The file, for messages.
    labels : sequence of str
        In the order of the columns.
    first_column : int
        Where the first of them stands, counted from 1.
    """
    if not MINIMUM_PARCELS <= len(labels) <= MAXIMUM_PARCELS:
        refuse(
            where,
            f"Between {MINIMUM_PARCELS} and {MAXIMUM_PARCELS} parcels are expected, in columns "
            "separated by tabs (.tsv) or commas (.csv).",
        )
    seen: set[str] = set()
    for column, label in enumerate(labels, first_column):
        if not label.strip() or label in seen:
            what = "repeated" if label in seen else "empty"
            refuse(where, f"The label of column {column} is {what}.")
        seen.add(label)


def from_matrix(where: str, labels: Sequence[str], matrix: FloatArray) -> Connectome:
    """Return the connectome of a matrix of Pearson correlations.

    Parameters
    ----------
    where : str
        The file, for messages.
    labels : sequence of str, length n
    matrix : ndarray of shape (n, n)
        NaN where unknown. A diagonal that is NaN beside known correlations is refused: so are
        matrices of Fisher z written.
    """
    n = len(labels)
    if matrix.shape != (n, n):
        short = "; the file is cut short" if matrix.shape[0] < n else ""
        refuse(
            where,
            f"The matrix has {matrix.shape[1]} columns and {matrix.shape[0]} rows{short}. A time "
            "series needs 'timeseries' in its file's name.",
        )
    if _is_sound(matrix):
        return Connectome(labels=tuple(labels), upper_triangle=matrix[_strict_upper(n)])
    unknown = np.isnan(matrix)
    hollow = np.flatnonzero(np.diag(unknown) & ~np.all(unknown, axis=1))
    if hollow.size:
        refuse(
            where,
            f"The diagonal is empty, first at {labels[hollow[0]]}, as in matrices of Fisher z. "
            "Pearson correlations with ones on the diagonal are expected.",
        )
    try:
        return Connectome.from_matrix(labels, matrix)
    except DataError as error:
        refuse(where, error.message, *error.problems)


def _is_sound(matrix: FloatArray) -> bool:
    """Tell quickly, of a matrix without unknown numbers, that there is nothing to complain of."""
    return bool(
        np.all(np.diag(matrix) == 1)
        and matrix.max() <= 1
        and matrix.min() >= -1
        and np.array_equal(matrix, matrix.T)
    )


@lru_cache(maxsize=4)
def _strict_upper(n_parcels: int) -> npt.NDArray[np.bool_]:
    return ~np.tri(n_parcels, dtype=np.bool_)


def from_series(where: str, labels: Sequence[str], series: FloatArray) -> Connectome:
    """Return the Pearson correlations of a time series.

    Parameters
    ----------
    where : str
        The file, for messages.
    labels : sequence of str, length n
    series : ndarray of shape (volumes, n)
        Volumes that were kept only. A parcel that is NaN throughout was not covered; its
        correlations, and those of a parcel that never changes, are unknown.

    Returns
    -------
    Connectome
        With the number of volumes.
    """
    n_volumes = series.shape[0]
    if not MINIMUM_VOLUMES <= n_volumes <= MAXIMUM_VOLUMES:
        refuse(
            where,
            f"The time series has {n_volumes} volumes; between {MINIMUM_VOLUMES} and "
            f"{MAXIMUM_VOLUMES} are expected.",
        )
    gaps = np.isnan(series)
    partly = np.argwhere(gaps & ~np.all(gaps, axis=0))
    if partly.size:
        volume, column = (int(index) for index in partly[0])
        problem = f"volume {volume + 1} is missing"
        refuse(
            where,
            "A parcel has gaps; leave the volume out for all parcels, or the parcel throughout.",
            FieldProblem(labels[column], problem),
        )
    return Connectome(
        labels=tuple(labels), upper_triangle=_upper_correlations(series), n_volumes=n_volumes
    )


def _upper_correlations(series: FloatArray) -> FloatArray:
    """Return Pearson r of each pair of columns, in the order of the strict upper triangle."""
    largest = np.max(np.abs(series), axis=0)
    constant = ~(np.max(series, axis=0) > np.min(series, axis=0))
    # Scaled first, so that squares neither overflow nor vanish.
    scaled = series / np.where(constant | (largest == 0), 1.0, largest)
    scaled[:, constant] = np.nan
    scaled -= scaled.mean(axis=0)
    length = np.sqrt(np.einsum("ij,ij->j", scaled, scaled))
    scaled /= np.where(length > 0, length, np.nan)
    correlations: FloatArray = scaled.T @ scaled
    upper: FloatArray = correlations[_strict_upper(len(correlations))]
    return np.clip(upper, -1.0, 1.0)
