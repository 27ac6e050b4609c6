"""The tables that XCP-D writes for a whole run, found from the name of one of its files.

Of `sub-1_task-rest_space-T_res-2_atlas-A_stat-mean_timeseries.tsv` these are

| file                                                 | column, and what it tells             |
|------------------------------------------------------|---------------------------------------|
| `sub-1_task-rest_space-T_res-2_desc-linc_qc.tsv`     | `num_retained_volumes`, `mean_fd`     |
| `sub-1_task-rest_motion.tsv`                         | `framewise_displacement`, every volume |
| `sub-1_task-rest_outliers.tsv`                       | `framewise_displacement`, 1 if censored |
| `sub-1_task-rest_space-T_atlas-A_stat-coverage_bold.tsv` | `coverage` by `Node`              |

The table of quality is written with or without `res-` and `den-`; all are tried.
"""

import re

import numpy as np
import numpy.typing as npt

from features.readers.matrices import MAXIMUM_VOLUMES
from features.readers.source import Source, refuse
from features.readers.tables import TAB, FloatArray, number_rows, table_lines, text_cells

MAXIMUM_DISPLACEMENT_MM = 50  # as in `data_schemas.connectome.Connectome`

_DISPLACEMENT = "framewise_displacement"


def outliers(source: Source) -> npt.NDArray[np.bool_] | None:
    """Return which volumes of the run were censored, or None where nothing tells."""
    found = source.companion(f"{_run(source)}_outliers.tsv")
    if found is None:
        return None
    marks = _columns(found, _DISPLACEMENT)[_DISPLACEMENT]
    if not np.isin(marks, (0.0, 1.0)).all():
        refuse(found.where, f"The column {_DISPLACEMENT} must hold 0 and 1 only.")
    if marks.all():
        refuse(found.where, "Every volume of the run was censored.")
    marked: npt.NDArray[np.bool_] = marks == 1
    return marked


def run_quality(source: Source) -> dict[str, object]:
    """Return volumes kept and mean displacement in mm, as far as the run's tables tell.

    The table of quality goes before the counts of single volumes.
    """
    quality: dict[str, object] = {}
    if (marked := outliers(source)) is not None:
        quality["n_volumes"] = int((~marked).sum())
    if (motion := source.companion(f"{_run(source)}_motion.tsv")) is not None:
        displacement = _columns(motion, _DISPLACEMENT)[_DISPLACEMENT]
        known = displacement[~np.isnan(displacement)]
        mean_mm = float(np.clip(known, -1e6, 1e6).mean()) if known.size else float("nan")
        quality |= _displacement(motion, _DISPLACEMENT, mean_mm)
    return quality | _table_of_quality(source)


def coverage(source: Source, labels: tuple[str, ...]) -> dict[str, float] | None:
    """Return the share of each parcel that the scan covered, or None where nothing tells."""
    name = re.sub(r"_stat-[A-Za-z0-9]+.*$", "_stat-coverage_bold.tsv", source.stem)
    found = source.companion(name) if name != source.stem else None
    if found is None:
        return None
    header, *rows = table_lines(found)
    if text_cells(found.where, header, TAB) != ["Node", "coverage"]:
        refuse(found.where, "The columns must be 'Node' and 'coverage'.")
    nodes, cells = (
        zip(*(row.partition(TAB)[::2] for row in rows), strict=True) if rows else ((), ())
    )
    shares = number_rows(found.where, cells, ["coverage"], first_row=2, first_column=2)[:, 0]
    if np.any((shares < 0) | (shares > 1)):
        row = int(np.flatnonzero((shares < 0) | (shares > 1))[0]) + 2
        refuse(found.where, f"Row {row} holds a share of coverage outside 0 to 1.")
    names = [text_cells(found.where, node, TAB)[0] for node in nodes]
    by_label = dict(zip(names, shares.tolist(), strict=True))
    return {label: by_label[label] for label in labels if by_label.get(label, np.nan) >= 0}


def _table_of_quality(source: Source) -> dict[str, object]:
    space = re.search(r"_space-[A-Za-z0-9]+", source.stem)
    middle = space.group(0) if space else ""
    for extra in re.findall(r"_(?:res|den)-[A-Za-z0-9]+", source.stem) or ["_den-91k", "_res-2"]:
        for entities in (f"{middle}{extra}", middle):
            found = source.companion(f"{_run(source)}{entities}_desc-linc_qc.tsv")
            if found is not None:
                return _first_row(found)
    return {}


def _first_row(found: Source) -> dict[str, object]:
    values = _columns(found, "num_retained_volumes", "mean_fd", required=False)
    kept = _first(values.get("num_retained_volumes"))
    displacement = _first(values.get("mean_fd"))
    if not (np.isnan(kept) or (kept.is_integer() and 1 <= kept <= MAXIMUM_VOLUMES)):
        refuse(found.where, "Row 2, column num_retained_volumes is no count of volumes.")
    quality: dict[str, object] = {} if np.isnan(kept) else {"n_volumes": int(kept)}
    return quality | _displacement(found, "mean_fd", displacement)


def _first(column: FloatArray | None) -> float:
    return float("nan") if column is None or not column.size else float(column[0])


def _displacement(found: Source, column: str, mean_mm: float) -> dict[str, object]:
    if np.isnan(mean_mm):
        return {}
    if not 0 <= mean_mm <= MAXIMUM_DISPLACEMENT_MM:
        refuse(
            found.where,
            f"The column {column} has a mean outside 0 to {MAXIMUM_DISPLACEMENT_MM} mm.",
        )
    return {"mean_framewise_displacement_mm": mean_mm}


def _run(source: Source) -> str:
    """Return what the names of all files of one run begin with."""
    return re.split(r"_(?:space|atlas|seg|desc|stat|res|den)-", source.stem)[0]


def _columns(found: Source, *names: str, required: bool = True) -> dict[str, FloatArray]:
    """Return the named columns of a table whose other columns may hold anything."""
    header, *rows = table_lines(found)
    columns = text_cells(found.where, header, TAB)
    cells = [text_cells(found.where, row, TAB) for row in rows]
    numbers: dict[str, FloatArray] = {}
    for name in names:
        if name not in columns:
            if required:
                refuse(found.where, f"There is no column {name}.")
            continue
        position = columns.index(name)
        for row, line in enumerate(cells, 2):
            if len(line) != len(columns):
                refuse(found.where, f"Row {row} has {len(line)} cells instead of {len(columns)}.")
        lines = [line[position].encode() for line in cells]
        numbers[name] = number_rows(
            found.where, lines, [name], first_row=2, first_column=position + 1
        )[:, 0]
    return numbers
