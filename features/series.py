"""From time series to connectivity features, with one subject in memory at a time."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from data_schemas.errors import DataError
from features.connectivity import matrix_summary
from features.correlation import Correlator


def series_summaries(
    subjects: Iterable[npt.NDArray[np.floating]],
    labels: Sequence[str],
) -> Iterator[dict[str, float]]:
    """Yield the connectivity features of one subject after another.

    Parameters
    ----------
    subjects : iterable of ndarray of float, shape (t, n)
        One row a volume, one column a parcel. A generator is read one subject at a time; the
        number of volumes may differ.
    labels : sequence of str, length n
        Of the columns, the same for all subjects.

    Yields
    ------
    dict of str to float
        As `features.connectivity.connectivity_summary`, within 1e-5 of it; without a coil site.

    Raises
    ------
    DataError
        When a subject has another number of columns than there are labels, naming its position.
    """
    names = tuple(labels)
    correlator = Correlator()
    for number, series in enumerate(subjects, 1):
        if series.ndim != 2 or series.shape[1] != len(names):
            raise DataError(
                f"The time series of subject number {number} do not have {len(names)} columns, "
                "one for each label."
            )
        yield matrix_summary(names, correlator.correlate(series))
