"""Which models are set side by side, on which patients."""

import pandas as pd
import pytest
from cohort_tables import quick_config, simulated_table
from held_out_predictions import BOTH, CLINICAL, predictions

from training.engine.engines import LocalEngine
from training.judging.parts import Material, comparison_tasks, measured
from training.workshop import Workshop

LOGISTIC, BASE_RATE, CONNECTIVITY = "logistic_clinical", "base_rate", "lightgbm_connectivity"
LOSO = "leave_one_site_out"


def side_by_side(out_of_fold: pd.DataFrame, models: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows of all comparisons with few bootstraps."""
    config = quick_config()
    material = Material(
        table=simulated_table(20, 2), config=config, split_name=LOSO, subjects=(), subgroups=(),
        out_of_fold=out_of_fold, bystanders=pd.DataFrame(), latest=pd.DataFrame(),
    )  # fmt: skip
    workshop = Workshop(config, LocalEngine(), None, lambda _stage, _done, _total: None)
    parts = measured(material, comparison_tasks(models), workshop, "judging")
    return pd.concat(parts, ignore_index=True)


def with_logistic(frame: pd.DataFrame) -> pd.DataFrame:
    """Return predictions with those of the logistic comparator, which ranks as the clinical one."""
    more = frame[frame["model"] == CLINICAL].assign(model=LOGISTIC)
    return pd.concat([frame, more], ignore_index=True)


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ((BASE_RATE, LOGISTIC), []),
        (
            (BASE_RATE, LOGISTIC, CLINICAL),
            [f"{CLINICAL} - {LOGISTIC}", f"{CLINICAL} - {BASE_RATE}"],
        ),
        (
            (BASE_RATE, LOGISTIC, CLINICAL, CONNECTIVITY, BOTH),
            [
                f"{BOTH} - {CLINICAL}", BASE_RATE, LOGISTIC, CLINICAL, CONNECTIVITY, BOTH,
                f"{BOTH} - {LOGISTIC}", f"{BOTH} - {BASE_RATE}",
            ],
        ),
    ],
)  # fmt: skip
def test_the_served_model_is_compared_with_both_comparators(
    models: tuple[str, ...], expected: list[str]
) -> None:
    assert [model for _, model in comparison_tasks(models)] == expected


def test_connectivity_is_judged_on_the_scanned_and_the_served_model_on_everyone() -> None:
    table = side_by_side(with_logistic(predictions()), (BASE_RATE, LOGISTIC, CLINICAL, BOTH))
    brier = table[table["metric"] == "brier"].set_index("model")
    scanned = brier[brier["split"] == f"{LOSO}/scanned"]
    assert scanned.index.tolist() == [BASE_RATE, LOGISTIC, CLINICAL, BOTH]
    assert (scanned["n"] == 80).all()
    pairs = brier[brier["split"] == LOSO]
    assert pairs["n"].to_dict() == {
        f"{BOTH} - {CLINICAL}": 80, f"{BOTH} - {LOGISTIC}": 160, f"{BOTH} - {BASE_RATE}": 160,
    }  # fmt: skip
    difference = scanned["estimate"][BOTH] - scanned["estimate"][CLINICAL]
    assert pairs["estimate"][f"{BOTH} - {CLINICAL}"] == pytest.approx(difference)
    assert not table.duplicated(["model", "split", "metric", "threshold"]).any()


def test_a_cohort_without_connectivity_has_its_comparisons_too() -> None:
    frame = with_logistic(predictions())
    table = side_by_side(frame[frame["model"] != BOTH], (BASE_RATE, LOGISTIC, CLINICAL))
    assert set(table["model"]) == {f"{CLINICAL} - {LOGISTIC}", f"{CLINICAL} - {BASE_RATE}"}
    assert {"brier", "log_loss", "net_benefit", "auroc"} == set(table["metric"])
    assert (table["n"] == 160).all()
