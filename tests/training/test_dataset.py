import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cohort_tables import minimal_spec
from hypothesis import given
from hypothesis import strategies as st

from data_schemas.cohort_sections import Arms
from data_schemas.connectome import Connectome, FloatArray
from data_schemas.errors import ConfigurationError, DataError
from data_schemas.outcome import Outcome
from data_schemas.patient import Patient
from features.connectivity import connectivity_summary
from training.cohort.records import Cohort, CohortMember
from training.config import load_config
from training.dataset import OUTCOME_UNKNOWN, build_table, with_outcome
from training.learning.splits import UNKNOWN_SITE
from training.scans import mean_connectome

CONFIG = load_config()
LABELS = ("LH_Vis_1", "LH_Vis_2", "LH_Default_PFC_1", "RH_Default_PFC_2", "RH_Cont_Par_1")


def correlations(seed: int) -> FloatArray:
    return np.asarray(np.corrcoef(np.random.default_rng(seed).normal(size=(len(LABELS), 30))))


def write_scan(folder: Path, name: str, seed: int, **sidecar: object) -> Path:
    path = folder / f"{name}_atlas-4S_stat-pearsoncorrelation_relmat.tsv"
    rows = ["\t".join(["Node", *LABELS])]
    rows += [
        "\t".join([label, *(repr(float(r)) for r in row)])
        for label, row in zip(LABELS, correlations(seed), strict=True)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(sidecar), encoding="utf-8")
    return path


def member(number: int, *scans: Path, final: float = 20, **patient: object) -> CohortMember:
    baseline = {"depression_instrument": "HDRS-17", "depression_total": 24}
    return CohortMember(
        id=f"p{number}",
        patient=Patient.model_validate({**baseline, **patient}),
        outcome=Outcome(instrument="HDRS-17", baseline_total=24, final_total=final),
        connectome_files=scans,
    )


def cohort(*members: CohortMember) -> Cohort:
    scans = [path for each in members for path in each.connectome_files]
    folder = scans[0].parent if scans else Path()
    return Cohort(
        "made up", minimal_spec(), members, (), (), "f" * 64, simulated=True, folder=folder
    )


def test_rows_follow_the_members() -> None:
    table = build_table(
        cohort(member(1, age_years=30, site="b"), member(2, final=10, age_years=50, site="b")),
        CONFIG,
    )
    assert table.X[:, 0].tolist() == [30, 50]
    assert table.y.tolist() == [False, True]
    assert table.site.tolist() == ["b", "b"]
    assert (table.depression_instrument, table.anxiety_instrument) == ("HDRS-17", None)


def test_connectivity_is_harmonised_where_the_configuration_says_so() -> None:
    members = member(1, age_years=30, site="b"), member(2, final=10, age_years=50, site="b")
    combat = CONFIG.harmonisation.model_copy(update={"method": "combat"})
    config = CONFIG.model_copy(update={"harmonisation": combat})
    rows = build_table(cohort(*members), config).training_rows()
    assert rows.measured is not None
    assert rows.measured.covariates[:, 0].tolist() == [30, 50]
    assert build_table(cohort(*members), CONFIG).training_rows().measured is None
    wrong = combat.model_copy(update={"reference_site": "c"})
    with pytest.raises(ConfigurationError, match="not a site of this cohort"):
        build_table(cohort(*members), config.model_copy(update={"harmonisation": wrong}))


def test_a_missing_scan_is_missing_and_a_read_one_is_its_own_summary(tmp_path: Path) -> None:
    scan = write_scan(tmp_path, "sub-1", seed=3)
    table = build_table(cohort(member(1, scan), member(2, final=10)), CONFIG)
    assert table.has_connectome.tolist() == [True, False]
    expected = connectivity_summary(Connectome.from_matrix(LABELS, correlations(3)))
    for column in table.columns_of("connectivity"):
        value = expected[table.features[column].name]
        np.testing.assert_allclose(table.X[0, column], value, atol=1e-12)
        assert np.isnan(table.X[1, column])


def test_refused_scans_are_counted_with_the_reason(tmp_path: Path) -> None:
    good = write_scan(tmp_path, "sub-1", seed=1)
    matrix = correlations(2)
    bad = write_scan(tmp_path, "sub-2", seed=2)
    lines = bad.read_text(encoding="utf-8").splitlines()
    gaps = ["n/a" if n else repr(float(matrix[0, 0])) for n in range(len(LABELS))]
    lines[1] = "\t".join([LABELS[0], *gaps])
    for row in range(2, len(lines)):
        cells = lines[row].split("\t")
        cells[1] = "n/a"
        lines[row] = "\t".join(cells)
    bad.write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = build_table(cohort(member(1, good), member(2, bad, final=10)), CONFIG)
    assert table.has_connectome.tolist() == [True, False]
    assert (table.connectomes.n_read, table.connectomes.n_accepted) == (2, 1)
    assert table.connectomes.refused == {"more than 10% of the correlations are missing": 1}


def test_motion_is_that_of_the_accepted_scans_of_those_learned_from(tmp_path: Path) -> None:
    moved = {n: 0.1 + 0.01 * n for n in range(10)}
    members = [
        member(n, write_scan(tmp_path, f"sub-{n}", n, mean_fd=mm), final=10 if n < 5 else 20)
        for n, mm in moved.items()
    ]
    members += [
        member(10, write_scan(tmp_path, "sub-10", 10, mean_fd=0.9)),
        member(11),
        replace(member(12, write_scan(tmp_path, "sub-12", 12, mean_fd=0.2)), outcome=None),
    ]
    reached, others = build_table(cohort(*members), CONFIG).connectomes.motion
    assert (reached.n_patients, others.n_patients) == (5, 5)
    assert reached.mean_mm == pytest.approx(0.12)
    assert others.mean_mm == pytest.approx(0.17)


def test_those_not_learned_from_are_bystanders() -> None:
    spec = minimal_spec(arms=Arms(column="t.arm", active=("a",), sham=("s",)))
    members = [
        replace(member(1), arm="active"),
        replace(member(2, final=10, age_years=50), arm="active"),
        replace(member(3, final=10, age_years=61, site="b"), arm="sham"),
        replace(member(4, age_years=72), arm="active", outcome=None),
        replace(member(5), arm="sham", outcome=None),
        replace(member(6), arm=None),
    ]
    bystanders = build_table(replace(cohort(*members), spec=spec), CONFIG).bystanders
    assert bystanders is not None
    assert bystanders.group.tolist() == ["sham", OUTCOME_UNKNOWN]
    assert bystanders.X[:, 0].tolist() == [61, 72]
    np.testing.assert_array_equal(bystanders.y, [1.0, np.nan])
    assert bystanders.site.tolist() == ["b", UNKNOWN_SITE]


def test_the_same_patients_with_another_outcome() -> None:
    members = [member(1, final=20), member(2, final=10), member(3, final=5)]
    group = cohort(*members, replace(member(4), outcome=None))
    table = build_table(group, CONFIG)
    remission = with_outcome(table, group, "remission")
    assert table.y.tolist() == [False, True, True]
    assert remission is not None
    assert remission.bystanders is not None
    assert remission.y.tolist() == [False, False, True]
    assert remission.X is table.X
    np.testing.assert_array_equal(remission.bystanders.y, [np.nan])
    nobody = cohort(*members[:2])
    assert with_outcome(build_table(nobody, CONFIG), nobody, "remission") is None


@given(st.integers(0, 30), st.integers(1, 4))
def test_mean_of_equal_runs_is_the_run(seed: int, runs: int) -> None:
    scan = Connectome.from_matrix(LABELS, correlations(seed))
    np.testing.assert_allclose(
        mean_connectome([scan] * runs).upper_triangle, scan.upper_triangle, atol=1e-9
    )


def test_runs_are_averaged_as_fisher_z() -> None:
    one, other = (Connectome.from_matrix(LABELS, correlations(seed)) for seed in (1, 2))
    z = (np.arctanh(one.upper_triangle) + np.arctanh(other.upper_triangle)) / 2
    np.testing.assert_allclose(mean_connectome([one, other]).upper_triangle, np.tanh(z))


def test_scans_with_and_without_global_signal_regression_are_not_mixed(tmp_path: Path) -> None:
    scans = [
        write_scan(tmp_path, f"sub-{n}", seed=n, GlobalSignalRegressed=bool(n)) for n in (0, 1)
    ]
    read = [member(n, scan, final=10 * (n + 1)) for n, scan in enumerate(scans)]
    with pytest.raises(DataError, match="with and without global signal regression are mixed"):
        build_table(cohort(*read), CONFIG)


@pytest.mark.parametrize(("final", "word"), [(20.0, "no patient"), (10.0, "every patient")])
def test_one_class_is_refused(final: float, word: str) -> None:
    members = [member(number, final=final) for number in range(12)]
    with pytest.raises(DataError, match=f"All 12 patients are of one class: {word}"):
        build_table(cohort(*members), CONFIG)


def test_nobody_left_is_refused() -> None:
    with pytest.raises(DataError, match="No patient is left to learn from"):
        build_table(cohort(), CONFIG)


def test_two_instruments_are_refused() -> None:
    other = member(2, final=10, depression_instrument="MADRS", depression_total=30)
    with pytest.raises(DataError, match=r"several instruments \(HDRS-17, MADRS\)"):
        build_table(cohort(member(1), other), CONFIG)


def test_unrecorded_sites_form_one_group() -> None:
    table = build_table(cohort(member(1), member(2, final=10), member(3, site="a")), CONFIG)
    assert table.site_names == ("a",)
    assert UNKNOWN_SITE in table.site
