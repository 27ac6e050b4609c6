"""Scans read by an engine: the same table, kept results, and a cache that names nobody."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scanned_cohorts
from cohort_tables import minimal_spec
from scanned_cohorts import cohort_of, extract, write_scans

from data_schemas.connectome import Connectome
from data_schemas.errors import DataError
from data_schemas.outcome import Outcome
from data_schemas.patient import Patient
from features.connectivity import connectivity_summary
from features.nodes import NodeTable
from training.cohort.records import Cohort, CohortMember
from training.config import load_config
from training.dataset import TrainingTable, build_table
from training.engine.engines import Engine, LocalEngine, open_engine
from training.engine.work import Work, open_work
from training.extraction_cache import CACHE_VARIABLE
from training.scans import PatientScans
from training.workshop import Workshop

CONFIG = load_config()
N_KILLED = 600
LABELS = ("LH_Vis_1", "LH_Vis_2", "LH_Default_PFC_1", "RH_Default_PFC_2", "RH_Cont_Par_1")


def write_scan(folder: Path, name: str, seed: int, **sidecar: object) -> Path:
    series = np.random.default_rng(seed).normal(size=(len(LABELS), 30))
    matrix = np.asarray(np.corrcoef(series))
    path = folder / f"{name}_stat-pearsoncorrelation_relmat.tsv"
    rows = ["\t".join(["Node", *LABELS])]
    rows += [
        "\t".join([n, *map(repr, row)]) for n, row in zip(LABELS, matrix.tolist(), strict=True)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(sidecar), encoding="utf-8")
    return path


def member(number: int, *scans: Path) -> CohortMember:
    return CohortMember(
        id=f"sub-{number:02}",
        patient=Patient(age_years=30 + number, coil_site_mni_mm=(-42, 44, 30)),
        outcome=Outcome(
            instrument="HDRS-17", baseline_total=24, final_total=10 + 10 * (number % 2)
        ),
        connectome_files=scans,
    )


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Twelve patients: two without a scan, one with two, one whose scan is refused."""
    folder = tmp_path / "secret-clinic"
    folder.mkdir()
    members = [member(0), member(1)]
    for n in range(2, 12):
        moved = 0.9 if n == 5 else 0.01 * n
        scans = [write_scan(folder, f"sub-{n:02}", n, mean_fd=moved, GlobalSignalRegressed=True)]
        if n == 7:
            scans.append(write_scan(folder, f"sub-{n:02}_run-2", 70 + n, mean_fd=0.3))
        members.append(member(n, *scans))
    return Cohort(
        "made up", minimal_spec(), tuple(members), (), (), "f" * 64, simulated=True, folder=folder
    )


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The scans of each patient that was read, since the last look."""
    seen: list[int] = []
    original = PatientScans.attach

    def attach(self: PatientScans, member: CohortMember) -> Patient:
        if member.connectome_files:
            seen.append(len(member.connectome_files))
        return original(self, member)

    monkeypatch.setattr(PatientScans, "attach", attach)
    return seen


def workshop(work: Work | None = None, engine: Engine | None = None) -> Workshop:
    return Workshop(CONFIG, engine or LocalEngine(), work, lambda _stage, _done, _total: None)


def same(one: TrainingTable, other: TrainingTable) -> bool:
    np.testing.assert_array_equal(one.X, other.X)
    return (one.connectomes, one.global_signal_regressed) == (
        other.connectomes,
        other.global_signal_regressed,
    )


@pytest.mark.parametrize(("name", "n_jobs"), [("local", 1), ("local", 2), ("dask", 2)])
def test_an_engine_gives_what_reading_one_by_one_gives(
    cohort: Cohort, name: str, n_jobs: int
) -> None:
    here = build_table(cohort, CONFIG)
    assert here.connectomes.n_accepted == 10
    assert len(here.connectomes.refused) == 1
    with open_engine(name, n_jobs) as engine:
        assert same(here, build_table(cohort, CONFIG, workshop=workshop(engine=engine)))


def test_an_extraction_stopped_half_way_goes_on(
    cohort: Cohort, tmp_path: Path, read_files: list[int]
) -> None:
    expected = build_table(cohort, CONFIG)
    read_files.clear()

    def dies_at_the_sixth(
        connectome: Connectome, site: tuple[float, ...], nodes: NodeTable | None
    ) -> dict[str, float]:
        if len(read_files) == 6:
            raise KeyboardInterrupt
        return connectivity_summary(connectome, site, nodes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.extraction.connectivity_summary", dies_at_the_sixth)
        with pytest.raises(KeyboardInterrupt), open_work(tmp_path, CONFIG, "f" * 64) as work:
            build_table(cohort, CONFIG, workshop=workshop(work))
    read_files.clear()
    with open_work(tmp_path, CONFIG, "f" * 64) as work:
        again = build_table(cohort, CONFIG, workshop=workshop(work))
    assert same(expected, again)
    assert len(read_files) == 5, "ten patients have scans, and five were done"


def test_a_process_that_is_killed_half_way_loses_nothing_that_was_finished(
    tmp_path: Path, read_files: list[int]
) -> None:
    folder, run = tmp_path / "data", tmp_path / "run"
    write_scans(folder, N_KILLED)
    process = subprocess.Popen(
        [sys.executable, scanned_cohorts.__file__, folder, run, str(N_KILLED)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    until = time.monotonic() + 120
    kept: list[Path] = []
    while len(kept) < 20 and time.monotonic() < until and process.poll() is None:
        time.sleep(0.005)
        kept = list(run.glob("work/*/*.npz"))
    process.kill()
    assert process.wait() == -signal.SIGKILL
    n_kept = len(list(run.glob("work/*/*.npz")))
    assert 20 <= n_kept < N_KILLED
    again = extract(folder, run, N_KILLED)
    assert len(read_files) == N_KILLED - n_kept
    assert same(again, build_table(cohort_of(folder, N_KILLED), CONFIG))


def test_a_cached_patient_is_read_again_only_when_something_changed(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_files: list[int]
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    first = build_table(cohort, CONFIG, workshop=workshop())
    assert len(read_files) == 10
    read_files.clear()
    assert same(first, build_table(cohort, CONFIG, workshop=workshop()))
    assert read_files == []
    write_scan(cohort.folder, "sub-03", 99, mean_fd=0.03, GlobalSignalRegressed=True)
    sidecar = cohort.members[7].connectome_files[1].with_suffix(".json")
    sidecar.write_text('{"mean_fd": 0.8}', encoding="utf-8")
    changed = build_table(cohort, CONFIG, workshop=workshop())
    assert read_files == [1, 2]
    assert same(changed, build_table(cohort, CONFIG))
    read_files.clear()
    quality = CONFIG.connectome.model_copy(update={"minimum_volumes": 2})
    stricter = CONFIG.model_copy(update={"connectome": quality})
    build_table(cohort, stricter, workshop=workshop())
    assert len(read_files) == 10


def test_the_cache_names_nobody_and_a_broken_result_is_made_again(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_files: list[int]
) -> None:
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    first = build_table(cohort, CONFIG, workshop=workshop())
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) == 10
    for path in files:
        assert len(path.stem) == 64
        assert int(path.stem, 16)
        for word in (b"sub-", b"relmat", b"clinic", b"LH_Vis"):
            assert word not in path.read_bytes()
    files[0].write_bytes(files[0].read_bytes()[:50])
    read_files.clear()
    assert same(first, build_table(cohort, CONFIG, workshop=workshop()))
    assert len(read_files) == 1


def test_without_the_variable_nothing_is_cached(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    before = set(tmp_path.rglob("*"))
    build_table(cohort, CONFIG, workshop=workshop())
    assert set(tmp_path.rglob("*")) == before


def test_mixed_and_unreadable_scans_are_named_as_ever(cohort: Cohort) -> None:
    write_scan(cohort.folder, "sub-09", 9, GlobalSignalRegressed=False)
    with pytest.raises(DataError, match=r"first seen at sub-09_.*relmat\.tsv; the"):
        build_table(cohort, CONFIG, workshop=workshop())
    cohort.members[2].connectome_files[0].write_text("Node\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"^sub-02_stat-pearsoncorrelation_relmat\.tsv: "):
        build_table(cohort, CONFIG, workshop=workshop())
