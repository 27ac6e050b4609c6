"""From a cohort on another atlas to a model that maps the same labels."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest
from cohort_tables import minimal_spec, quick_config
from node_tables import renamed, table_like_schaefer

import tms_response
from data_schemas.connectome import Connectome
from data_schemas.outcome import Outcome
from data_schemas.patient import Patient
from features.atlas import centroids_mni_mm
from features.connectivity import network_profile
from features.nodes import NodeTable
from features.readers import read_connectome
from serving.predictor import ResponsePredictor
from training.cohort.records import Cohort, CohortMember
from training.dataset import TrainingTable, build_table
from training.engine.engines import LocalEngine
from training.extraction_cache import CACHE_VARIABLE
from training.learning.fit import fit_predictor
from training.learning.models import LIGHTGBM_BOTH
from training.workshop import Workshop

CONFIG = quick_config()
TABLE = table_like_schaefer()
N = 26  # from 25 on, percentiles can be told


def write_scan(path: Path, scan: Connectome) -> Path:
    np.savez(path, labels=np.array(scan.labels), r=scan.matrix())
    return path


@pytest.fixture(scope="module")
def scans() -> list[Connectome]:
    cortex = tuple(centroids_mni_mm())
    found = []
    for seed in range(N):
        rng = np.random.default_rng(seed)
        series = rng.normal(size=(60, len(cortex))) + rng.normal(size=(60, 1))
        found.append(Connectome.from_matrix(cortex, np.asarray(np.corrcoef(series, rowvar=False))))
    return found


@pytest.fixture(scope="module")
def cohort(scans: list[Connectome], tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Everybody's scan is on the other atlas."""
    folder = tmp_path_factory.mktemp("other")
    members = tuple(
        CohortMember(
            f"p{number}",
            Patient(age_years=30 + number % 7, coil_site_mni_mm=(-42, 44, 30)),
            Outcome(instrument="HDRS-17", baseline_total=24, final_total=10 + 10 * (number % 2)),
            connectome_files=(write_scan(folder / f"p{number}.npz", renamed(scan)),),
        )
        for number, scan in enumerate(scans)
    )
    return Cohort(
        "other", minimal_spec(), members, (), (), "f" * 64, simulated=True, folder=folder,
        nodes=TABLE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def table(cohort: Cohort) -> TrainingTable:
    return build_table(cohort, CONFIG)


def test_a_cohort_on_another_atlas_has_the_numbers_of_its_parcels(
    cohort: Cohort, table: TrainingTable, scans: list[Connectome], tmp_path: Path
) -> None:
    members = tuple(
        replace(each, connectome_files=(write_scan(tmp_path / f"{each.id}.npz", scan),))
        for each, scan in zip(cohort.members, scans, strict=True)
    )
    plain = build_table(replace(cohort, members=members, nodes=None, folder=tmp_path), CONFIG)
    np.testing.assert_array_equal(table.X, plain.X)
    assert plain.connectomes == table.connectomes
    assert table.connectomes.n_accepted == N
    expected = np.mean([list(network_profile(scan).values()) for scan in scans], axis=0)
    assert list(table.connectomes.target_profile.values()) == pytest.approx(expected)


def test_without_its_table_every_scan_is_refused_and_says_what_is_needed(cohort: Cohort) -> None:
    table = build_table(replace(cohort, nodes=None, members=cohort.members[:4]), CONFIG)
    [(reason, count)] = table.connectomes.refused.items()
    assert (count, table.connectomes.n_accepted) == (4, 0)
    assert "another atlas needs a node_table under [connectome]" in reason
    assert not table.has_connectome.any()


def test_a_cached_result_is_of_one_table(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    workshop = Workshop(CONFIG, LocalEngine(), None, lambda _stage, _done, _total: None)
    few = replace(cohort, members=cohort.members[:2])
    first = build_table(few, CONFIG, workshop=workshop)
    nodes = tuple(n.model_copy(update={"network": "Vis"}) for n in TABLE.nodes)
    other = build_table(replace(few, nodes=NodeTable(nodes=nodes)), CONFIG, workshop=workshop)
    assert first.connectomes.target_profile == {}  # of two patients
    column = [feature.name for feature in first.features].index("fc_within_vis")
    assert np.all(first.X[:, column] != other.X[:, column])


def test_the_model_maps_the_labels_of_a_patient_who_comes_later(
    cohort: Cohort, table: TrainingTable, tmp_path: Path
) -> None:
    fitted = fit_predictor(
        table, minimal_spec(), CONFIG, served=LIGHTGBM_BOTH, fingerprint="f" * 64
    )
    fitted.save(tmp_path / "model")
    served = ResponsePredictor.load(tmp_path / "model")
    assert served.document.connectome.node_table == TABLE
    member = cohort.members[3]
    scan = read_connectome(member.connectome_files[0])
    patient = member.patient.model_copy(update={"connectome": scan})
    _, row = served.answer(patient)
    columns = [f.name for f in table.features]
    expected = table.X[3, [columns.index(name) for name in served.feature_names]]
    np.testing.assert_array_equal(row, expected)

    record = dict(patient)
    record |= {"connectome": dict(scan), "extra": {}}
    known = {name: value for name, value in record.items() if value is not None}
    content = orjson.dumps([known], option=orjson.OPT_SERIALIZE_NUMPY)
    (tmp_path / "patients.json").write_bytes(content)
    out = tmp_path / "answers.csv"
    arguments = ["predict", str(tmp_path / "model"), str(tmp_path / "patients.json")]
    assert tms_response.run([*arguments, "--out", str(out)]) == 0
    [notices] = pd.read_csv(out)["notices"].map(json.loads)
    assert "connectome_refused" not in {notice["code"] for notice in notices}
