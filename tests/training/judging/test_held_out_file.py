"""Figures of the evaluation table, made once more from the written predictions by scikit-learn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohort_tables import minimal_spec, quick_config, simulated_table, with_bystanders
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from data_schemas.cohort_sections import Arms
from data_schemas.outcome import Outcome
from data_schemas.patient import Patient
from training.cohort.records import Cohort, CohortMember
from training.dataset import OUTCOME_UNKNOWN, TrainingTable
from training.engine.engines import LocalEngine
from training.external import ExternalPatients
from training.judging.held_out_file import HELD_OUT_COLUMNS, held_out_table, joined
from training.learning.splits import SINGLE_PATIENT_SITES
from training.run import make_run, write_run
from training.workshop import Workshop

MODEL = "lightgbm_clinical"
LOSO = "leave_one_site_out"


def members_of(table: TrainingTable) -> tuple[CohortMember, ...]:
    """Return members who reached what the table says; some of the responders remitted."""
    others = table.bystanders
    assert others is not None
    rng = np.random.default_rng(3)

    def member(number: int, reached: float, arm: str) -> CohortMember:
        final = 20 if not reached else 5 if rng.random() < 0.6 else 10
        outcome = Outcome(instrument="HDRS-17", baseline_total=24, final_total=final)
        known = not np.isnan(reached)
        return CohortMember(str(number), Patient(), outcome if known else None, arm)

    learned_from = [member(number, y, "active") for number, y in enumerate(table.y)]
    rest = [
        member(number, y, "active" if group == OUTCOME_UNKNOWN else str(group))
        for number, (y, group) in enumerate(zip(others.y, others.group, strict=True), 10_000)
    ]
    return (*learned_from, *rest)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = with_bystanders(simulated_table(160, signal=1.5, scanned=0))
    table = replace(table, started=np.datetime64("2024-01-01") + np.arange(len(table.y)))
    further = simulated_table(60, signal=1.5, seed=5, scanned=0)
    elsewhere = ExternalPatients(
        name="Further clinics", description="", fingerprint="e" * 64,
        X=further.X, y=further.y, site=further.site, has_connectome=further.has_connectome,
    )  # fmt: skip
    config = quick_config(secondary_outcomes=("remission",))
    config = config.model_copy(
        update={"stability": config.stability.model_copy(update={"replicates": 0})}
    )
    spec = minimal_spec(arms=Arms(column="t.arm", active=("a",), sham=("s",)))
    cohort = Cohort(spec.name, spec, members_of(table), (), (), "f" * 64, simulated=True)
    workshop = Workshop(config, LocalEngine(), None, lambda _stage, _done, _total: None)
    made = make_run(cohort, table, elsewhere, workshop)
    written: Path = tmp_path_factory.mktemp("run")
    write_run(written, cohort, table, made, config)
    return written


@pytest.fixture(scope="module")
def held_out(folder: Path) -> pd.DataFrame:
    found = pd.read_csv(folder / "held_out.csv")
    assert list(found.columns) == list(HELD_OUT_COLUMNS)
    return found[found["model"] == MODEL]


@pytest.fixture(scope="module")
def out_of_fold(folder: Path) -> pd.DataFrame:
    found = pd.read_csv(folder / "out_of_fold.csv")
    return found[found["model"] == MODEL]


def figures(folder: Path, split: str, outcome: str = "response") -> "pd.Series[float]":
    """Return the estimates of one split by metric."""
    table = pd.read_csv(folder / "evaluation.csv")
    here = (table["model"] == MODEL) & (table["split"] == split) & (table["outcome"] == outcome)
    return table[here & table["threshold"].isna()].set_index("metric")["estimate"]


def auroc_within_folds(part: pd.DataFrame) -> float:
    """Return the AUROC of the patients of each fit, averaged over those with the outcome."""
    found = [
        (roc_auc_score(fold["y"], fold["probability"]), fold["y"].sum())
        for _, fold in part.groupby("fold")
        if fold["y"].nunique() == 2
    ]
    aurocs, events = np.array(found).T
    return float(np.average(aurocs, weights=events))


def slope(part: pd.DataFrame) -> float:
    """Return the calibration slope."""
    log_odds = logit(part["probability"].to_numpy())[:, None]
    fitted = LogisticRegression(C=1e9, tol=1e-10).fit(log_odds, part["y"])
    return float(fitted.coef_[0, 0])


def expected_scores(part: pd.DataFrame) -> dict[str, float]:
    """Return what depends on no fold."""
    return {
        "brier": brier_score_loss(part["y"], part["probability"]),
        "log_loss": log_loss(part["y"], part["probability"]),
        "o_to_e": part["y"].sum() / part["probability"].sum(),
    }


def assert_agree(found: "pd.Series[float]", expected: dict[str, float]) -> None:
    """Compare by name, so that what differs is named."""
    assert found[list(expected)].to_dict() == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("split", ["temporal", "external"])
def test_patients_whom_one_fit_predicted(folder: Path, held_out: pd.DataFrame, split: str) -> None:
    part = held_out[(held_out["split"] == split) & (held_out["group"] == "judged")]
    ranked = {
        "auroc": roc_auc_score(part["y"], part["probability"]),
        "auprc": average_precision_score(part["y"], part["probability"]),
        "calibration_slope": slope(part),
    }
    assert_agree(figures(folder, split), {**expected_scores(part), **ranked})


def test_the_outcome_that_is_not_served(
    folder: Path, held_out: pd.DataFrame, out_of_fold: pd.DataFrame
) -> None:
    part = held_out[held_out["outcome"] == "remission"]
    assert set(part["row"]) == set(out_of_fold["row"])
    assert_agree(figures(folder, LOSO, "remission"), expected_scores(part))
    for site, here in part.groupby("site"):
        expected = {"auroc": roc_auc_score(here["y"], here["probability"])}
        assert_agree(figures(folder, f"{LOSO}/site={site}", "remission"), expected)


def test_another_arm(folder: Path, held_out: pd.DataFrame) -> None:
    part = held_out[(held_out["split"] == LOSO) & (held_out["group"] == "sham")]
    expected = expected_scores(part)
    expected.pop("log_loss")
    expected |= {"auroc": auroc_within_folds(part), "events": part["y"].sum()}
    assert_agree(figures(folder, f"{LOSO}/arm=sham"), expected)


@pytest.mark.parametrize(("case", "reached"), [("none_reached", 0), ("all_reached", 1)])
def test_unknown_outcomes(
    folder: Path, held_out: pd.DataFrame, out_of_fold: pd.DataFrame, case: str, reached: int
) -> None:
    lost = held_out[(held_out["split"] == LOSO) & (held_out["group"] == OUTCOME_UNKNOWN)]
    assert lost["y"].isna().all()
    part = pd.concat([out_of_fold, lost.assign(y=reached)])
    assert_agree(figures(folder, f"{LOSO}/outcomes={case}"), expected_scores(part))


def test_a_site_that_few_know_is_not_named() -> None:
    frame = pd.DataFrame(
        {"row": [1, 2, 3, 4], "site": ["a", "b", "b", "c"], "has_connectome": False, "repeat": 0,
         "fold": 0, "y": 1.0, "model": "m", "probability": 0.5, "log_odds": 0.0}
    )  # fmt: skip
    told = held_out_table(frame, outcome="response", split=LOSO, sites=np.array(["c"]))
    assert told["site"].tolist() == [SINGLE_PATIENT_SITES, "b", "b", "c"]
    assert told["group"].tolist() == ["judged"] * 4


def test_where_nobody_else_was_predicted_there_is_a_table_without_rows() -> None:
    assert joined([]).empty
    assert list(joined([]).columns) == list(HELD_OUT_COLUMNS)
