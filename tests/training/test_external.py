from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cohort_tables import minimal_spec, quick_config, simulated_table

from data_schemas.errors import DataError
from training.config import TrainingConfig
from training.dataset import TrainingTable
from training.external import ExternalPatients, external_frame, read_external
from training.learning.fit import fit_predictor
from training.learning.models import BASE_RATE, LIGHTGBM_BOTH, LIGHTGBM_CLINICAL, LOGISTIC_CLINICAL
from training.learning.validation import fit_model, model_columns

CONFIG = quick_config()
MODELS = (BASE_RATE, LOGISTIC_CLINICAL, LIGHTGBM_CLINICAL, LIGHTGBM_BOTH)


@pytest.fixture(scope="module")
def table() -> TrainingTable:
    return simulated_table()


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


def write_cohort(folder: Path, finals: list[int], instrument: str = "HDRS-17") -> Path:
    rows = [f"p{n},{30 + n},north,24,{final}" for n, final in enumerate(finals)]
    text = "\n".join(["id,age,site,before,after", *rows]) + "\n"
    (folder / "people.csv").write_text(text, encoding="utf-8")
    (folder / "cohort.toml").write_text(SPEC.replace("INSTRUMENT", instrument), encoding="utf-8")
    return folder


def read(folder: Path, table: TrainingTable, config: TrainingConfig = CONFIG) -> ExternalPatients:
    return read_external(folder, None, table, config)


def test_external_patients_get_the_training_features(table: TrainingTable, tmp_path: Path) -> None:
    patients = read(write_cohort(tmp_path, [10, 20, 12]), table)
    assert patients.X.shape == (3, len(table.features))
    assert patients.X[:, 0].tolist() == [30, 31, 32]
    assert patients.y.tolist() == [True, False, True]
    assert not patients.has_connectome.any()


def test_another_instrument_is_refused(table: TrainingTable, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="totals are not converted"):
        read(write_cohort(tmp_path, [10, 20, 12], "MADRS"), table)


def test_one_outcome_alone_cannot_be_judged(table: TrainingTable, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not both outcomes among them"):
        read(write_cohort(tmp_path, [20, 20, 20]), table)
