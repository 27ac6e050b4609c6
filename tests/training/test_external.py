from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohort_tables import minimal_spec, quick_config, simulated_table, with_bystanders
from sklearn.metrics import roc_auc_score

from data_schemas.errors import DataError
from data_schemas.patient import Patient
from training.cohort.records import CohortMember
from training.config import TrainingConfig
from training.dataset import JUDGED, OUTCOME_UNKNOWN, TrainingTable
from training.engine.engines import LocalEngine
from training.engine.work import Work
from training.external import ExternalPatients, count_abstained, external_frame, read_external
from training.judging.judge import judge_external
from training.learning.fit import fit_predictor
from training.learning.models import BASE_RATE, LIGHTGBM_BOTH, LIGHTGBM_CLINICAL, LOGISTIC_CLINICAL
from training.learning.validation import fit_model, model_columns
from training.scans import PatientScans
from training.workshop import Workshop

CONFIG = quick_config()
MODELS = (BASE_RATE, LOGISTIC_CLINICAL, LIGHTGBM_CLINICAL, LIGHTGBM_BOTH)


@pytest.fixture(scope="module")
def table() -> TrainingTable:
    return simulated_table()


def workshop(config: TrainingConfig = CONFIG, work: Work | None = None) -> Workshop:
    return Workshop(config, LocalEngine(), work, lambda _stage, _done, _total: None)


def patients_like(table: TrainingTable) -> ExternalPatients:
    return ExternalPatients(
        name="elsewhere", description="", fingerprint="e" * 64,
        X=table.X, y=table.y, site=table.site, has_connectome=table.has_connectome,
    )  # fmt: skip


def test_the_artefact_and_the_comparators_are_asked_and_nothing_is_refitted_on_them(
    table: TrainingTable,
) -> None:
    predictor = fit_predictor(
        table, minimal_spec(), CONFIG, served=LIGHTGBM_BOTH, fingerprint="f" * 64
    )
    patients = patients_like(simulated_table(60, seed=5))
    frame = external_frame(patients, table, MODELS, predictor, served=LIGHTGBM_BOTH, config=CONFIG)
    assert frame.groupby("model")["row"].apply(list).map(len).to_dict() == dict.fromkeys(MODELS, 60)
    # The served model fitted anew gives what the artefact gives: it is the same model.
    columns = model_columns(LIGHTGBM_BOTH, table)
    fitted = fit_model(LIGHTGBM_BOTH, table.training_rows().columns(columns), CONFIG, too_few=False)
    served = frame[frame["model"] == LIGHTGBM_BOTH]
    np.testing.assert_allclose(served["log_odds"], fitted.log_odds(patients.X), atol=1e-9)
    # Other outcomes among the external patients change no prediction.
    turned = replace(patients, y=~patients.y)
    again = external_frame(turned, table, MODELS, predictor, served=LIGHTGBM_BOTH, config=CONFIG)
    np.testing.assert_array_equal(frame["log_odds"], again["log_odds"])


SPEC = """
name = "Elsewhere"
description = "Adults with depression"
licence = "made up"
citation = "none"
simulated = true
[treatment]
is_tms = true
description = "Left DLPFC TMS"
[tables.people]
file = "people.csv"
id = "id"
[patient]
age_years = "people.age"
site = "people.site"
[outcome]
instrument = "INSTRUMENT"
baseline = "people.before"
final = "people.after"
"""


def write_cohort(folder: Path, finals: Sequence[int | str], instrument: str = "HDRS-17") -> Path:
    rows = [f"p{n},{30 + n},north,24,{final}" for n, final in enumerate(finals)]
    text = "\n".join(["id,age,site,before,after", *rows]) + "\n"
    (folder / "people.csv").write_text(text, encoding="utf-8")
    (folder / "cohort.toml").write_text(SPEC.replace("INSTRUMENT", instrument), encoding="utf-8")
    return folder


def read(folder: Path, table: TrainingTable, config: TrainingConfig = CONFIG) -> ExternalPatients:
    return read_external(folder, None, table, workshop(config))


def test_external_patients_get_the_training_features(table: TrainingTable, tmp_path: Path) -> None:
    patients = read(write_cohort(tmp_path, [10, 20, 12]), table)
    assert patients.X.shape == (3, len(table.features))
    assert patients.X[:, 0].tolist() == [30, 31, 32]
    assert patients.y.tolist() == [True, False, True]
    assert not patients.has_connectome.any()


def test_those_of_unknown_outcome_are_asked_about_and_counted_apart(
    table: TrainingTable, tmp_path: Path
) -> None:
    patients = read(write_cohort(tmp_path, [10, 20, "", 12, ""]), table)
    assert patients.y.tolist() == [True, False, True]
    assert patients.unknown is not None
    assert patients.unknown.X[:, 0].tolist() == [32, 34]
    assert np.isnan(patients.unknown.y).all()
    assert patients.unknown.group.tolist() == [OUTCOME_UNKNOWN] * 2
    again = patients.table(table)
    assert again.features == table.features
    assert (again.y.tolist(), again.bystanders) == (patients.y.tolist(), patients.unknown)


def test_what_unknown_outcomes_and_abstentions_mean_elsewhere(table: TrainingTable) -> None:
    predictor = fit_predictor(
        table, minimal_spec(), CONFIG, served=LIGHTGBM_BOTH, fingerprint="f" * 64
    )
    further = with_bystanders(simulated_table(60, seed=5), n_sham=0, n_unknown=9)
    age = [feature.name for feature in table.features].index("age_years")
    X = further.X.copy()
    X[:7, age] = 400
    patients = replace(patients_like(further), X=X, unknown=further.bystanders)
    abstained = count_abstained(patients, table, predictor)
    assert 7 <= abstained < 15
    frame = external_frame(patients, table, MODELS, predictor, served=LIGHTGBM_BOTH, config=CONFIG)
    found = judge_external(frame, patients.table(table), LIGHTGBM_BOTH, abstained, workshop())
    found = found[found["threshold"].isna()].set_index(["model", "split", "metric"])
    keyed = found["estimate"].sort_index()
    assert keyed[LIGHTGBM_BOTH, "external", "abstained"] == abstained

    served = frame[frame["model"] == LIGHTGBM_BOTH]
    known, lost = (served[served["y"].notna() == there] for there in (True, False))
    aurocs = [roc_auc_score(known["y"], known["probability"])]
    assert keyed[LIGHTGBM_BOTH, "external", "auroc"] == pytest.approx(aurocs[0])
    for case, reached in (("none_reached", 0), ("all_reached", 1)):
        everyone = pd.concat([known, lost.assign(y=reached)])
        aurocs.append(roc_auc_score(everyone["y"], everyone["probability"]))
        of_case = keyed[LIGHTGBM_BOTH, f"external/outcomes={case}"]
        assert of_case["auroc"] == pytest.approx(aurocs[-1])
        expected = everyone["y"].sum() / everyone["probability"].sum()
        assert of_case["o_to_e"] == pytest.approx(expected)
    lowest, highest = (
        keyed[LIGHTGBM_BOTH, f"external/outcomes=auroc_{end}", "auroc"]
        for end in ("lowest", "highest")
    )
    assert lowest <= min(aurocs) <= max(aurocs) <= highest
    assert keyed[LIGHTGBM_BOTH, "external/outcomes=weighted", "effective_n"] <= 60


@pytest.mark.parametrize(
    ("count", "told"), [(0, True), (4, False), (5, True), (57, False), (60, True)]
)
def test_few_who_get_no_answer_are_not_counted_out(count: int, *, told: bool) -> None:
    frame = external_frame_of_base_rate(simulated_table(60, seed=5))
    found = judge_external(frame, simulated_table(60, seed=5), BASE_RATE, count, workshop())
    assert (found["metric"] == "abstained").any() == told


def external_frame_of_base_rate(table: TrainingTable) -> pd.DataFrame:
    """Return predictions of one model that tells nobody apart."""
    return pd.DataFrame(
        {"row": np.arange(1, 1 + len(table.y)), "site": table.site, "repeat": 0, "fold": 0,
         "y": table.y.astype(float), "model": LOGISTIC_CLINICAL, "probability": 0.5,
         "group": JUDGED}
    )  # fmt: skip


def test_another_instrument_is_refused(table: TrainingTable, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="totals are not converted"):
        read(write_cohort(tmp_path, [10, 20, 12], "MADRS"), table)


def test_one_outcome_alone_cannot_be_judged(table: TrainingTable, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not both outcomes among them"):
        read(write_cohort(tmp_path, [20, 20, 20]), table)


def write_scanned(folder: Path, sidecar: str = "{}", more: str = "") -> Path:
    """Write four patients, the second and the fourth with a scan."""
    folder.mkdir(exist_ok=True)
    write_cohort(folder, [9, 10, 20, 21])
    with (folder / "cohort.toml").open("a", encoding="utf-8") as spec:
        spec.write('\n[connectome]\nfiles = "{id}_relmat.tsv"\n' + more)
    for number, r in ((1, 0.25), (3, 0.5)):
        matrix = f"Node\tLH_Vis_1\tRH_Vis_1\nLH_Vis_1\t1\t{r}\nRH_Vis_1\t{r}\t1\n"
        (folder / f"p{number}_relmat.tsv").write_text(matrix, encoding="utf-8")
        (folder / f"p{number}_relmat.json").write_text(sidecar, encoding="utf-8")
    return folder


def test_their_scans_are_read_by_the_engine_once_and_anew_when_changed(
    table: TrainingTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_scanned(tmp_path / "there")
    column = [feature.name for feature in table.features].index("fc_within_vis")
    opened: list[str] = []
    original = PatientScans.attach

    def attach(self: PatientScans, member: CohortMember) -> Patient:
        opened.extend(each.name for each in member.connectome_files)
        return original(self, member)

    monkeypatch.setattr(PatientScans, "attach", attach)
    work = Work(tmp_path / "work", {})
    for _ in range(2):
        patients = read_external(path, None, table, workshop(work=work))
        expected = [np.nan, np.arctanh(0.25), np.nan, np.arctanh(0.5)]
        np.testing.assert_allclose(patients.X[:, column], expected)
    assert opened == ["p1_relmat.tsv", "p3_relmat.tsv"]
    scan = path / "p1_relmat.tsv"
    scan.write_text(scan.read_text("utf-8").replace("0.25", "0.75"), "utf-8")
    changed = read_external(path, None, table, workshop(work=work))
    assert changed.X[1, column] == pytest.approx(np.arctanh(0.75))


def test_a_node_table_that_the_model_does_not_have_is_refused(
    table: TrainingTable, tmp_path: Path
) -> None:
    path = write_scanned(tmp_path, more='node_table = "nodes.tsv"\n')
    nodes = "label\tnetwork\themisphere\nLH_Vis_1\tVis\tL\nRH_Vis_1\tCont\tR\n"
    (path / "nodes.tsv").write_text(nodes, "utf-8")
    with pytest.raises(DataError, match="Elsewhere gives a node table that is not the model's"):
        read(path, table)


@pytest.mark.parametrize("trained", [True, False])
def test_scans_processed_otherwise_are_refused(
    tmp_path: Path, table: TrainingTable, trained: bool
) -> None:
    path = write_scanned(tmp_path, '{"GlobalSignalRegressed": true}')
    learned = replace(table, global_signal_regressed=trained)
    if trained:
        assert read(path, learned).has_connectome.sum() == 2
        return
    with pytest.raises(DataError, match=r"Elsewhere .* with global .* from without; the sign"):
        read(path, learned)
