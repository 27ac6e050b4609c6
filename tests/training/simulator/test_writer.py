import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_schemas.cohort import parse_cohort_spec
from data_schemas.errors import UsageError
from features.readers import read_connectome
from training.cohort.read import read_cohort
from training.simulator.draw import draw_patients
from training.simulator.matrices import parcel_labels
from training.simulator.parameters import load_parameters
from training.simulator.patients import to_patients
from training.simulator.phenotypes import participant_ids
from training.simulator.relmats import relmat_bytes
from training.simulator.scans import choose_scanned, draw_matrix, draw_scan, true_connectivity
from training.simulator.writer import SimulatedCohort, simulate

N, N_SITES, SEED, N_MATRICES = 60, 4, 11, 4


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCohort:
    out = tmp_path_factory.mktemp("simulated") / "cohort"
    return simulate(out, N, N_SITES, "elbau", SEED, n_matrices=N_MATRICES)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_arguments_give_the_same_bytes(cohort: SimulatedCohort, tmp_path: Path) -> None:
    again = simulate(tmp_path / "again", N, N_SITES, "elbau", SEED, n_matrices=N_MATRICES)
    other = simulate(tmp_path / "other", N, N_SITES, "elbau", SEED + 1, n_matrices=N_MATRICES)

    assert digests(again.folder) == digests(cohort.folder)
    assert digests(other.folder) != digests(cohort.folder)


def test_the_folder_reads_as_the_patients_that_were_drawn(cohort: SimulatedCohort) -> None:
    draw = draw_patients(N, "elbau", SEED, N_SITES)
    read = read_cohort(cohort.folder)

    assert read.simulated
    assert [member.id for member in read.members] == participant_ids(N)
    assert [member.patient for member in read.members] == to_patients(draw)
    assert [member.outcome is not None for member in read.members] == draw.outcome_known.tolist()
    assert cohort.n_outcomes == draw.outcome_known.sum()
    for member, baseline, final in zip(
        read.members, draw.outcomes.baseline_total, draw.outcomes.final_total, strict=True
    ):
        if member.outcome is not None:
            assert member.outcome.baseline_total == baseline
            assert member.outcome.final_total == final


def test_scanned_patients_have_one_matrix_each(cohort: SimulatedCohort) -> None:
    draw = draw_patients(N, "elbau", SEED, N_SITES)
    members = read_cohort(cohort.folder).members
    scanned = [row for row, member in enumerate(members) if member.connectome_files]

    assert scanned == choose_scanned(draw, N_MATRICES).tolist()
    assert all(len(members[row].connectome_files) == 1 for row in scanned)


def test_a_written_matrix_is_the_one_that_was_drawn(cohort: SimulatedCohort) -> None:
    draw, parameters = draw_patients(N, "elbau", SEED, N_SITES), load_parameters()
    members = read_cohort(cohort.folder).members
    for row in choose_scanned(draw, N_MATRICES).tolist():
        scan = draw_scan(SEED, row, parameters.scans)
        expected = draw_matrix(SEED, scan, true_connectivity(draw, row), parameters)
        lost = np.isin(np.arange(len(expected)), scan.uncovered)
        connectome = read_connectome(members[row].connectome_files[0])

        assert connectome.labels == parcel_labels()
        assert connectome.n_volumes == scan.n_volumes
        motion = connectome.mean_framewise_displacement_mm
        assert motion == scan.mean_framewise_displacement_mm
        assert connectome.global_signal_regressed is True
        difference = (connectome.matrix() - expected)[np.ix_(~lost, ~lost)]
        assert np.abs(difference).max() <= 0.0005 + 1e-12


def test_files_are_named_as_xcp_d_names_them(cohort: SimulatedCohort) -> None:
    files = sorted((cohort.folder / "derivatives" / "xcp_d").rglob("sub-*_*"))
    stem = "ses-pre_task-rest_space-MNI152NLin2009cAsym"
    endings = {
        f"{stem}_atlas-4S456Parcels_stat-pearsoncorrelation_relmat.tsv",
        f"{stem}_atlas-4S456Parcels_stat-pearsoncorrelation_relmat.json",
        f"{stem}_desc-linc_qc.tsv",
    }

    assert len(files) == 3 * N_MATRICES
    for file in files:
        subject, _, ending = file.name.partition("_")
        assert ending in endings
        assert file.parent == cohort.folder / f"derivatives/xcp_d/{subject}/ses-pre/func"


def test_the_quality_table_agrees_with_the_sidecar(cohort: SimulatedCohort) -> None:
    for table in (cohort.folder / "derivatives").rglob("*_qc.tsv"):
        row = pd.read_csv(table, sep="\t").iloc[0]
        sidecar = json.loads(next(table.parent.glob("*_relmat.json")).read_text())

        assert row["num_retained_volumes"] == sidecar["num_retained_volumes"]
        assert row["num_retained_volumes"] + row["num_censored_volumes"] == 300
        assert row["mean_fd"] == sidecar["mean_fd"]
        assert sidecar["Simulated"] is True


def test_a_matrix_is_written_as_pandas_would() -> None:
    rng = np.random.default_rng(2)
    matrix = np.array(np.corrcoef(rng.standard_normal((6, 30))), dtype=np.float64)
    matrix[2, :] = matrix[:, 2] = np.nan
    matrix[0, 1] = matrix[1, 0] = -0.0001
    labels = ["LH_Vis_1", "LH_Vis_2", "b", "c", "d", "e"]
    # XCP-D writes its tables so; a rounded zero has no sign here.
    frame = pd.DataFrame(np.round(matrix, 3) + 0.0, index=labels, columns=labels)
    expected = io.StringIO()
    frame.to_csv(expected, sep="\t", na_rep="n/a", index_label="Node", lineterminator="\n")

    assert relmat_bytes(labels, matrix).decode() == expected.getvalue()


def test_everything_says_that_it_is_simulated(cohort: SimulatedCohort) -> None:
    folder = cohort.folder
    provenance = json.loads((folder / "simulation.json").read_text())

    assert "No real person" in (folder / "README").read_text()
    assert parse_cohort_spec((folder / "cohort.toml").read_text()).simulated
    for description in folder.rglob("dataset_description.json"):
        content = json.loads(description.read_text())
        assert "Simulated" in content["Name"]
        assert content["GeneratedBy"][0]["Name"] == "tms-response simulate"
    assert provenance == {
        "generator": "tms-response simulate",
        "simulated": True,
        "statement": "Simulated. No real person is in this data.",
        "scenario": "elbau",
        "seed": SEED,
        "n_patients": N,
        "n_sites": N_SITES,
        "n_matrices": N_MATRICES,
        "parameters_sha256": load_parameters().sha256,
    }


def test_every_column_has_its_entry_in_the_sidecar(cohort: SimulatedCohort) -> None:
    tables = [cohort.folder / "participants.tsv", *(cohort.folder / "phenotype").glob("*.tsv")]

    assert {table.stem for table in tables} == {
        "participants", "clinical_history", "medication", "plan", "gad7", "hdrs17", "phq9",
        "course", "attendance",
    }  # fmt: skip
    for table in tables:
        header = pd.read_csv(table, sep="\t", nrows=0).columns.tolist()
        sidecar = json.loads(table.with_suffix(".json").read_text())
        assert header[0] == "participant_id"
        assert set(header[1:]) == set(sidecar) - {"MeasurementToolMetadata"}


def test_levels_in_the_sidecars_are_those_in_the_tables(cohort: SimulatedCohort) -> None:
    for sidecar in [cohort.folder / "participants.json", *cohort.folder.glob("phenotype/*.json")]:
        table = pd.read_csv(sidecar.with_suffix(".tsv"), sep="\t", dtype=str, keep_default_na=False)
        for column, about in json.loads(sidecar.read_text()).items():
            if "Levels" in about:
                assert set(table[column]) <= {*about["Levels"], "n/a"}


def test_self_ratings_follow_the_clinicians(cohort: SimulatedCohort) -> None:
    totals = {}
    for name in ("hdrs17", "phq9"):
        table = pd.read_csv(cohort.folder / f"phenotype/{name}.tsv", sep="\t")
        wide = table.pivot_table(index="participant_id", columns="session_id")[f"{name}_total"]
        totals[name] = wide.dropna()
    final = totals["phq9"]["ses-post"].corr(totals["hdrs17"]["ses-post"])

    assert totals["phq9"].index.equals(totals["hdrs17"].index)
    assert totals["phq9"].to_numpy().max() <= 27
    assert final > 0.6


def test_two_hundred_matrices_fit_into_280_megabytes(cohort: SimulatedCohort) -> None:
    scanned = sum(path.stat().st_size for path in cohort.folder.glob("derivatives/**/*tsv"))

    assert 200 * scanned / N_MATRICES < 278e6


def test_progress_counts_the_matrices(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    simulate(tmp_path, 20, 1, progress=lambda done, total: steps.append((done, total)))

    assert steps == [(number, 5) for number in range(1, 6)]


def test_an_earlier_simulation_is_replaced_and_a_neighbour_kept(tmp_path: Path) -> None:
    simulate(tmp_path, 20, 1, n_matrices=1)
    (tmp_path / "notes.txt").write_text("mine")
    simulate(tmp_path, 20, 1, n_matrices=0)

    assert not list(tmp_path.rglob("*relmat.tsv"))
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert len(read_cohort(tmp_path).members) == 20


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text("real patients")

    with pytest.raises(UsageError, match="holds something else than a simulated cohort"):
        simulate(tmp_path, 20, 1, n_matrices=0)
    assert (tmp_path / "participants.tsv").read_text() == "real patients"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_foreign_provenance_is_no_permission(tmp_path: Path) -> None:
    (tmp_path / "simulation.json").write_text('{"generator": "another program"}')

    with pytest.raises(UsageError, match="something else"):
        simulate(tmp_path, 20, 1, n_matrices=0)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "cohort"
    path.write_text("")

    with pytest.raises(UsageError, match="is a file"):
        simulate(path, 20, 1)
    with pytest.raises(UsageError, match="cannot be made"):
        simulate(path / "below", 20, 1)


@pytest.mark.parametrize("n_matrices", [-1, 21])
def test_there_are_no_more_matrices_than_patients(tmp_path: Path, n_matrices: int) -> None:
    with pytest.raises(UsageError, match="between 0 and 20"):
        simulate(tmp_path / "out", 20, 1, n_matrices=n_matrices)
    assert not (tmp_path / "out").exists()


def test_a_second_spec_has_the_same_patients_on_the_phq9(cohort: SimulatedCohort) -> None:
    hamilton = read_cohort(cohort.folder)
    self_rated = read_cohort(cohort.folder / "cohort-phq9.toml")
    table = pd.read_csv(cohort.folder / "phenotype" / "phq9.tsv", sep="\t")
    totals = table.pivot_table(index="participant_id", columns="session_id", values="phq9_total")
    ours = {"depression_instrument": None, "depression_total": None}

    assert self_rated.simulated
    assert "simulated from the course on the HDRS-17" in self_rated.spec.description
    assert [member.id for member in self_rated.members] == [each.id for each in hamilton.members]
    for member, other in zip(self_rated.members, hamilton.members, strict=True):
        assert member.patient.model_copy(update=ours) == other.patient.model_copy(update=ours)
        assert member.patient.depression_instrument == "PHQ-9"
        if member.outcome is not None:
            assert member.outcome.instrument == "PHQ-9"
            given = totals.loc[member.id]
            assert member.outcome.baseline_total == given["ses-pre"]
            assert member.outcome.final_total == given["ses-post"]
