"""What XCP-D writes beside a scan, found by the names of a real run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scan_files import (
    COVERAGE_NAME,
    LABELS,
    QC_NAME,
    RELMAT_NAME,
    RUN,
    SERIES_NAME,
    draw_series,
    upper,
    write_motion,
    write_outliers,
    write_relmat,
    write_series,
)

from data_schemas.errors import DataError
from features.readers import read_connectome


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_connectome(path)
    return str(caught.value)


def test_the_tables_of_the_run_tell_the_quality(tmp_path: Path) -> None:
    path = write_series(tmp_path / SERIES_NAME, draw_series(60))
    assert read_connectome(path).n_volumes == 60
    write_motion(tmp_path, [np.nan, 0.1, 0.3])
    assert read_connectome(path).mean_framewise_displacement_mm == pytest.approx(0.2)
    qc = pd.DataFrame({"sub": ["01"], "mean_fd": [0.17], "num_retained_volumes": [55]})
    qc.to_csv(tmp_path / QC_NAME, sep="\t", index=False)
    connectome = read_connectome(path)
    assert connectome.mean_framewise_displacement_mm == 0.17
    # What was correlated goes before what a table says.
    assert connectome.n_volumes == 60


def test_volumes_of_a_matrix_are_counted_by_table_name_and_sidecar(tmp_path: Path) -> None:
    matrix = np.asarray(np.corrcoef(draw_series(), rowvar=False))
    name = SERIES_NAME.replace("stat-mean_timeseries", "stat-pearsoncorrelation_relmat")
    path = write_relmat(tmp_path / name, matrix)
    assert read_connectome(path).n_volumes is None
    write_outliers(tmp_path, [0, 1, 0, 0])
    assert read_connectome(path).n_volumes == 3
    (tmp_path / name).with_suffix(".json").write_text('{"num_retained_volumes": 7}')
    assert read_connectome(path).n_volumes == 7
    shortened = RELMAT_NAME.replace("_relmat", "_desc-26volumes_relmat")
    assert read_connectome(write_relmat(tmp_path / shortened, matrix)).n_volumes == 26
    none = shortened.replace("-26volumes", "-0volumes")
    assert "number of volumes" in refusal(write_relmat(tmp_path / none, matrix))


def test_censored_volumes_are_left_out_if_they_are_still_there(tmp_path: Path) -> None:
    series = draw_series(50)
    marked = np.arange(50) % 5 == 0
    write_outliers(tmp_path, marked.astype(int).tolist())
    series[marked] = 1000.0
    for rows in (series, series[~marked]):
        connectome = read_connectome(write_series(tmp_path / SERIES_NAME, rows))
        np.testing.assert_allclose(connectome.upper_triangle, upper(series[~marked]), atol=1e-12)
        assert connectome.n_volumes == 40
    message = refusal(write_series(tmp_path / SERIES_NAME, series[:45]))
    assert "45 rows" in message
    assert "50 volumes, of which 40" in message


def test_coverage_is_read_by_parcel(tmp_path: Path) -> None:
    path = write_series(tmp_path / SERIES_NAME, draw_series())
    table = pd.DataFrame({"coverage": [1.0, 0.25, np.nan, 0.5, 0.75, 1.0]}, [*LABELS, "other"])
    table.to_csv(tmp_path / COVERAGE_NAME, sep="\t", na_rep="n/a", index_label="Node")
    expected = {LABELS[0]: 1.0, LABELS[1]: 0.25, LABELS[3]: 0.5, LABELS[4]: 0.75}
    assert read_connectome(path).coverage == expected


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (f"{RUN}_outliers.tsv", "framewise_displacement\n0\n0.7731\n", "must hold 0 and 1"),
        (f"{RUN}_outliers.tsv", "other\n0\n", "no column framewise_displacement"),
        (f"{RUN}_outliers.tsv", "framewise_displacement\n1\n1\n", "Every volume"),
        (f"{RUN}_outliers.tsv", "", "empty"),
        (f"{RUN}_motion.tsv", "trans_x\tframewise_displacement\n1\n", "Row 2 has 1 cells"),
        (f"{RUN}_motion.tsv", "framewise_displacement\n7731x\n", "row 2, column 1"),
        (COVERAGE_NAME, "Node\tcoverage\nLH_Vis_1\t7.731\n", "Row 2 holds a share"),
        (COVERAGE_NAME, "LH_Vis_1\t0.5\n", "'Node' and 'coverage'"),
        (QC_NAME, "mean_fd\n-7731\n", "column mean_fd has a mean outside"),
        (QC_NAME, "num_retained_volumes\n1e300\n", "num_retained_volumes is no count"),
        (f"{RUN}_motion.tsv", "framewise_displacement\n1e200\n", "outside 0 to 50 mm"),
    ],
)
def test_a_bad_companion_is_named(tmp_path: Path, name: str, content: str, words: str) -> None:
    path = write_series(tmp_path / SERIES_NAME, draw_series())
    (tmp_path / name).write_text(content)
    message = refusal(path)
    assert words in message
    assert str(tmp_path / name) in message
    assert "7731" not in message


@pytest.mark.parametrize(
    "name", [SERIES_NAME.replace(".tsv", ".json"), f"{RUN}_outliers.tsv", COVERAGE_NAME, QC_NAME]
)
def test_a_companion_that_leads_out_of_the_data_folder_is_refused(
    tmp_path: Path, name: str
) -> None:
    root = tmp_path / "data"
    path = write_series(root / "sub-01" / SERIES_NAME, draw_series())
    outside = tmp_path / "elsewhere"
    outside.write_text("{}")
    (path.parent / name).symlink_to(outside)
    with pytest.raises(DataError, match="leads out of the data folder"):
        read_connectome(path, root=root)


def test_a_link_inside_the_data_folder_is_followed(tmp_path: Path) -> None:
    path = write_series(tmp_path / "sub-01" / SERIES_NAME, draw_series())
    (tmp_path / "shared.json").write_text('{"mean_fd": 0.2}')
    path.with_suffix(".json").symlink_to(tmp_path / "shared.json")
    assert read_connectome(path, root=tmp_path).mean_framewise_displacement_mm == 0.2
    with pytest.raises(DataError, match="leads out"):
        read_connectome(path)
