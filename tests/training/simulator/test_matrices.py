from collections import Counter

import numpy as np
import pytest

from data_schemas.connectome import Connectome, ConnectomeQuality
from features.atlas import has_regions, parse_label, regions
from training.simulator.draw import draw_patients
from training.simulator.figures import measured_reliability
from training.simulator.matrices import (
    FloatArray,
    TrueConnectivity,
    parcel_labels,
    simulate_matrix,
)
from training.simulator.parameters import load_parameters
from training.simulator.scans import (
    choose_scanned,
    default_matrix_count,
    draw_matrix,
    draw_scan,
    true_connectivity,
)

PARAMETERS = load_parameters()
MATRICES = PARAMETERS.matrices
LONG = 6000
AVERAGE = TrueConnectivity(0.0, 0.0, 0.0)
LABELS = parcel_labels()
NETWORK = np.array([str(parse_label(label).network) for label in LABELS])


@pytest.fixture(scope="module")
def long_scan() -> FloatArray:
    """Return a matrix with hardly any sampling error."""
    return simulate_matrix(AVERAGE, LONG, MATRICES, np.random.default_rng(5))


def pair_mean(matrix: FloatArray) -> float:
    rows, columns = (
        [LABELS.index(parcel) for parcel in regions()[name].parcels]
        for name in ("left_dlpfc", "sgacc_proxy")
    )
    return float(matrix[np.ix_(rows, columns)].mean())


def network_mean(matrix: FloatArray, one: str, other: str) -> float:
    block = matrix[np.ix_(np.isin(NETWORK, one), np.isin(NETWORK, other))]
    return float(block[np.triu_indices(len(block), k=1)].mean() if one == other else block.mean())


def test_the_labels_are_those_of_the_atlas() -> None:
    counts = Counter(NETWORK.tolist())

    assert len(LABELS) == len(set(LABELS)) == 456
    assert counts == {
        "Vis": 61, "SomMot": 77, "DorsAttn": 46, "SalVentAttn": 47, "Limbic": 26, "Cont": 52,
        "Default": 91, "None": 56,
    }  # fmt: skip
    assert has_regions(LABELS)
    assert LABELS[0] == "LH_Vis_1"
    assert LABELS[400:403] == ("LH-Pu", "LH-Ca", "LH-NAC")
    assert LABELS[-1] == "Cerebellar_Region10"


def test_a_matrix_is_a_correlation_matrix(long_scan: FloatArray) -> None:
    for matrix in (long_scan, simulate_matrix(AVERAGE, 60, MATRICES, np.random.default_rng(1))):
        assert np.array_equal(matrix, matrix.T)
        assert np.all(np.diag(matrix) == 1)
        assert np.all(np.abs(matrix) <= 1)
        assert np.linalg.eigvalsh(matrix).min() > -1e-9


def test_networks_hang_together(long_scan: FloatArray) -> None:
    names = sorted(set(NETWORK) - {"None"})
    within = [network_mean(long_scan, name, name) for name in names]
    between = [network_mean(long_scan, a, b) for a in names for b in names if a < b]

    assert min(within) > max(between)
    assert (
        network_mean(long_scan, "Default", "DorsAttn")
        < 0
        < network_mean(long_scan, "Vis", "SomMot")
    )


def test_mirrored_places_are_alike(long_scan: FloatArray) -> None:
    pairs = [
        (place, LABELS.index(f"R{label[1:]}"))
        for place, label in enumerate(LABELS)
        if label.startswith("LH") and f"R{label[1:]}" in LABELS and NETWORK[place] == "None"
    ]
    mirrored = np.mean([long_scan[pair] for pair in pairs])
    below = long_scan[400:, 400:]

    assert len(pairs) == 23
    assert mirrored > below[np.triu_indices(56, k=1)].mean() + 0.15


@pytest.mark.parametrize("value", [-2.0, 2.0])
def test_a_long_scan_shows_the_true_values(value: float, long_scan: FloatArray) -> None:
    rng = np.random.default_rng(5)
    matrix = simulate_matrix(TrueConnectivity(value, value, -value), LONG, MATRICES, rng)

    shift = MATRICES.network_sd * value
    assert pair_mean(matrix) - pair_mean(long_scan) == pytest.approx(
        MATRICES.sgacc_sd * value, abs=0.02
    )
    for name, expected in (("Default", shift), ("Cont", -shift)):
        moved = network_mean(matrix, name, name) - network_mean(long_scan, name, name)
        assert moved == pytest.approx(expected, abs=0.02)


def test_features_are_as_reliable_as_specified() -> None:
    reliability = measured_reliability(300)
    network = MATRICES.network_reliability

    # Three standard errors of a squared correlation in 300 matrices.
    expected = [MATRICES.sgacc_reliability, network, network]
    np.testing.assert_allclose(reliability, expected, atol=0.13)


def test_a_scan_of_no_length_is_still_a_matrix() -> None:
    matrix = simulate_matrix(AVERAGE, 0, MATRICES, np.random.default_rng(3))

    assert np.all(np.isfinite(matrix))


def test_few_scans_are_refused_and_some_lose_orbitofrontal_parcels() -> None:
    scans = [draw_scan(7, patient, PARAMETERS.scans) for patient in range(2000)]
    limits = ConnectomeQuality()
    refused = [
        scan.n_volumes < limits.minimum_volumes
        or scan.mean_framewise_displacement_mm > limits.maximum_mean_framewise_displacement_mm
        for scan in scans
    ]
    lost = [parcel for scan in scans for parcel in scan.uncovered]

    assert 0.01 < np.mean(refused) < 0.10
    assert 0.03 < np.mean([bool(scan.uncovered) for scan in scans]) < 0.10
    assert all("_Limbic_OFC_" in LABELS[parcel] for parcel in lost)


def test_lost_parcels_are_missing_and_nothing_else() -> None:
    lost = LABELS.index("RH_Limbic_OFC_5")
    scan = draw_scan(7, 0, PARAMETERS.scans)._replace(uncovered=(lost,))
    matrix = draw_matrix(7, scan, AVERAGE, PARAMETERS)
    kept = np.arange(456) != lost

    assert np.all(np.isnan(matrix[lost]))
    assert np.all(np.isnan(matrix[:, lost]))
    assert np.all(np.isfinite(matrix[np.ix_(kept, kept)]))
    assert np.isnan(Connectome.from_matrix(LABELS, matrix).upper_triangle).sum() == 455


def test_a_quarter_is_scanned_at_the_sites_with_a_scanner() -> None:
    draw = draw_patients(800)
    scanned = choose_scanned(draw, default_matrix_count(draw))
    weights = draw.enrolment.of_site(lambda site: site.scan_weight)

    assert len(set(scanned.tolist())) == 200
    assert np.all(weights[scanned] > 0)
    assert np.array_equal(choose_scanned(draw, 800), np.arange(800))
    assert set(choose_scanned(draw, 50).tolist()) < set(scanned.tolist())


def test_within_a_site_scanned_patients_are_like_the_others() -> None:
    draw = draw_patients(40_000)
    scanned = np.isin(np.arange(len(draw)), choose_scanned(draw, 10_000))
    for site, here in draw.enrolment.by_site():
        if site.scan_weight > 0:
            response, share = draw.outcomes.response[here], scanned[here].mean()
            difference = response[scanned[here]].mean() - response[~scanned[here]].mean()
            error = 0.5 / np.sqrt(here.sum() * share * (1 - share))
            assert abs(difference) < 4 * error


def test_a_matrix_depends_on_seed_and_patient_alone() -> None:
    draw = draw_patients(100)
    scan, truth = draw_scan(7, 3, PARAMETERS.scans), true_connectivity(draw, 3)
    first = draw_matrix(7, scan, truth, PARAMETERS)
    draw_matrix(7, draw_scan(7, 4, PARAMETERS.scans), AVERAGE, PARAMETERS)

    np.testing.assert_array_equal(draw_matrix(7, scan, truth, PARAMETERS), first)
    assert not np.array_equal(draw_matrix(8, scan, truth, PARAMETERS), first)
