"""Parquet tables of numbers, as pandas writes a matrix or a time series; needs pyarrow.

Columns are parcels. One column of text, as of an index, holds the labels of a matrix's rows. Read
from a cohort's folder only: a page says itself how much it unpacks to, which nothing bounds.
"""

import io

import numpy as np

from data_schemas.connectome import MAXIMUM_PARCELS, Connectome
from features.readers.delimited import connectome_of
from features.readers.matrices import MAXIMUM_VOLUMES, check_labels
from features.readers.source import Source, refuse
from features.readers.tables import FloatArray


def read_parquet(source: Source, limit: int) -> Connectome:
    """Read a matrix or, with `timeseries` in the file's name, a time series.

    Parameters
    ----------
    source : Source
    limit : int
        The most bytes to unpack, as far as the file tells.

    Raises
    ------
    DataError
        When pyarrow is not installed, or the file is damaged, too large or holds something else.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415
    except ImportError:
        refuse(source.where, "Parquet files need pyarrow: pip install 'tms-response[train]'.")
    try:
        texts, numbers = _columns(source, limit)
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError):
        refuse(source.where, "The Parquet file is damaged, or holds more than numbers and labels.")
    labels = list(numbers)
    check_labels(source.where, labels)
    rows = next(iter(texts.values()), labels)
    if len(texts) > 1 or rows != labels:
        refuse(source.where, "The labels of the rows must be those of the columns, in their order.")
    return connectome_of(source, labels, np.column_stack(list(numbers.values())))


def _columns(source: Source, limit: int) -> tuple[dict[str, list[str]], dict[str, FloatArray]]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    file = pq.ParquetFile(io.BytesIO(source.data))
    metadata = file.metadata
    unpacked = sum(
        metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)
    )
    if (
        metadata.num_rows > MAXIMUM_VOLUMES
        or metadata.num_columns > MAXIMUM_PARCELS + 1
        or unpacked > limit
    ):
        refuse(source.where, f"Unpacked, the file is larger than {limit // 1_000_000} MB.")
    table = file.read()
    texts: dict[str, list[str]] = {}
    numbers: dict[str, FloatArray] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            texts[name] = [str(label) for label in column.to_pylist()]
        else:
            values = column.cast(pa.float64()).to_numpy()
            if np.isinf(values).any():
                row = int(np.flatnonzero(np.isinf(values))[0])
                refuse(source.where, f"Row {row + 1}, column {name} is infinite.")
            numbers[name] = values
    return texts, numbers
