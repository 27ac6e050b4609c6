"""Which volumes of a time series count: XCP-D writes some with, some without the censored ones.

In the modes `abcd` and `hbcd` of XCP-D the time series holds every volume, the censored ones
interpolated, and its matrices leave them out; in `linc` they are gone already. `*_outliers.tsv`
(column `framewise_displacement`, 1 for an outlier) tells the two apart by the number of rows.
"""

from features.readers.companions import outliers
from features.readers.source import Source, refuse
from features.readers.tables import FloatArray


def censored(source: Source, series: FloatArray) -> FloatArray:
    """Return the volumes that are no outliers.

    Parameters
    ----------
    source : Source
        Beside which `*_outliers.tsv` may lie; without it all rows count.
    series : ndarray of shape (volumes, parcels)

    Raises
    ------
    DataError
        When the rows are neither all volumes nor those that were kept.
    """
    marked = outliers(source)
    if marked is None or len(series) == int((~marked).sum()):
        return series
    if len(series) != len(marked):
        refuse(
            source.where,
            f"The time series has {len(series)} rows; the outliers beside it tell of "
            f"{len(marked)} volumes, of which {int((~marked).sum())} were kept.",
        )
    return series[~marked]
