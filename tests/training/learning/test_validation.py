from dataclasses import replace

import numpy as np
import pytest
from cohort_tables import quick_config, simulated_table, with_bystanders
from sklearn.metrics import roc_auc_score

from training.dataset import Bystanders, TrainingTable
from training.engine.engines import LocalEngine
from training.learning.models import LIGHTGBM_BOTH, LIGHTGBM_CLINICAL, LOGISTIC_CLINICAL
from training.learning.splits import SINGLE_PATIENT_SITES, Split, outer_splits
from training.learning.validation import (
    asked_bystanders,
    bystander_frame,
    compared_models,
    fit_model,
    model_columns,
    out_of_fold_frame,
    served_model,
    validate,
)

CONFIG = quick_config()
ALL_MODELS = compared_models(simulated_table(), too_few=False)


def leave_one_site_out(table: TrainingTable) -> list[Split]:
    return outer_splits(table.y, table.site, minimum_sites=3, folds=3, repeats=1, seed=7)[1]


def _altered(table: TrainingTable, split: Split, what: str) -> TrainingTable:
    rng = np.random.default_rng(99)
    X, y, site = table.X.copy(), table.y.copy(), table.site.astype("<U20")
    if what == "X":
        X[split.test] = rng.normal(1e3, 1e3, X[split.test].shape)
        X[split.test[::2]] = np.nan
    if what == "y":
        y[split.test] = ~y[split.test]
    if what == "site":
        site[split.test] = "somewhere else"
    return replace(table, X=X, y=y, site=site)


@pytest.mark.parametrize("what", ["X", "y", "site"])
def test_altering_held_out_rows_changes_no_fitted_state(what: str) -> None:
    table = simulated_table(n=160)
    splits = leave_one_site_out(table)[:2]
    before = validate(table, splits, ALL_MODELS, CONFIG)
    for split in splits:
        altered = _altered(table, split, what)
        after = validate(altered, [split], ALL_MODELS, CONFIG)
        expected = [result.state_digest for result in before if result.split is split]
        assert [result.state_digest for result in after] == expected


def test_altering_training_rows_changes_the_state() -> None:
    table = simulated_table(n=160)
    split = leave_one_site_out(table)[0]
    swapped = Split(0, 0, split.test, split.train)
    altered = _altered(table, swapped, "y")
    one, other = (validate(t, [split], ALL_MODELS, CONFIG) for t in (table, altered))
    assert all(a.state_digest != b.state_digest for a, b in zip(one, other, strict=True)
               if a.model != "base_rate")  # fmt: skip


def test_numbers_do_not_depend_on_the_processes() -> None:
    table = simulated_table(n=160)
    splits = leave_one_site_out(table)
    frames = [
        out_of_fold_frame(
            table, validate(table, splits, ALL_MODELS, CONFIG, engine=LocalEngine(jobs))
        )
        for jobs in (1, 2)
    ]
    assert frames[0].equals(frames[1])


def test_every_patient_is_predicted_once_by_every_model() -> None:
    table = simulated_table(n=160)
    calls: list[tuple[int, int]] = []
    results = validate(
        table, leave_one_site_out(table), ALL_MODELS, CONFIG,
        progress=lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    frame = out_of_fold_frame(table, results)
    assert calls == [(done, 20) for done in range(1, 21)]
    for _, part in frame.groupby("model"):
        assert sorted(part["row"]) == list(range(1, 161))
        np.testing.assert_array_equal(part.sort_values("row")["y"], table.y)
    assert frame["probability"].between(0, 1, inclusive="neither").all()


def test_models_see_their_own_columns_only() -> None:
    table = simulated_table()
    groups = {
        name: {table.features[column].group for column in model_columns(name, table)}
        for name in ALL_MODELS
    }
    assert groups == {
        "base_rate": set(),
        "logistic_clinical": {"clinical"},
        "lightgbm_clinical": {"clinical"},
        "lightgbm_connectivity": {"connectivity"},
        "lightgbm_both": {"clinical", "connectivity"},
    }


def test_a_cohort_without_scans_is_compared_and_served_without_connectivity() -> None:
    table = simulated_table(scanned=0.0)
    models = compared_models(table, too_few=False)
    assert models == ("base_rate", "logistic_clinical", "lightgbm_clinical")
    assert served_model(models) == LIGHTGBM_CLINICAL
    assert served_model(ALL_MODELS) == LIGHTGBM_BOTH
    assert served_model(compared_models(table, too_few=True)) == "base_rate"


def test_signal_is_found_and_noise_is_not() -> None:
    def within_site_auroc(signal: float) -> float:
        table = simulated_table(n=400, signal=signal, seed=11)
        results = validate(table, leave_one_site_out(table), [LIGHTGBM_CLINICAL], CONFIG)
        return float(np.mean(
            [roc_auc_score(table.y[r.split.test], r.log_odds) for r in results]
        ))  # fmt: skip

    assert within_site_auroc(1.5) > 0.65
    assert abs(within_site_auroc(0.0) - 0.5) < 0.1


def test_too_few_patients_are_judged_with_a_fixed_logistic() -> None:
    table = simulated_table(n=40, n_sites=1)
    splits = outer_splits(table.y, table.site, minimum_sites=3, folds=3, repeats=1, seed=7)[1]
    results = validate(table, splits, [LOGISTIC_CLINICAL], CONFIG, too_few=True)
    assert {result.settings for result in results} == {"inverse penalty C = 0.03"}


def test_nothing_is_tuned_in_a_fold_with_too_few_of_one_outcome() -> None:
    table = simulated_table(n=160)
    y = table.y.copy()
    y[table.site != "site-0"] = False
    y[np.flatnonzero(table.site != "site-0")[:4]] = True
    scarce = replace(table, y=y)
    held_out = next(s for s in leave_one_site_out(scarce) if 0 in s.test)
    for result in validate(scarce, [held_out], ALL_MODELS, CONFIG):
        assert result.settings in {"", "inverse penalty C = 0.03"}


def _with_sites(table: TrainingTable, *sites: str) -> TrainingTable:
    m = len(sites)
    others = Bystanders(table.X[:m], np.full(m, np.nan), np.array(sites), np.array(["sham"] * m))
    return replace(table, bystanders=others)


def test_a_bystander_is_asked_of_the_fit_that_saw_nobody_of_his_site() -> None:
    table = _with_sites(simulated_table(n=40), "site-3", "elsewhere", "site-0", "site-3")
    asked = asked_bystanders(table, leave_one_site_out(table))
    assert [rows.tolist() for rows in asked] == [[2], [1], [], [0, 3]]


def test_a_bystander_of_a_site_of_one_patient_is_asked_of_the_fit_without_this_patient() -> None:
    table = simulated_table(n=40)
    site = np.where(np.arange(40) < 2, SINGLE_PATIENT_SITES, table.site)
    pooled = replace(table, site=site, site_names=(*table.site_names, "alone", "lonely"))
    table = _with_sites(pooled, "lonely", "new", "alone")
    splits = leave_one_site_out(table)
    [number] = [n for n, split in enumerate(splits) if 0 in split.test]
    assert {0, 2} <= set(asked_bystanders(table, splits)[number].tolist())


def test_bystanders_of_repeated_folds_are_asked_once_a_repeat() -> None:
    table = _with_sites(simulated_table(n=40), *["site-1"] * 7)
    splits = outer_splits(table.y, table.site, minimum_sites=9, folds=3, repeats=2, seed=7)[1]
    asked = [rows.tolist() for rows in asked_bystanders(table, splits)]
    assert asked == [[0, 3, 6], [1, 4], [2, 5]] * 2


def test_bystanders_are_predicted_and_nothing_is_learned_from_them() -> None:
    plain = simulated_table(n=160)
    table = with_bystanders(plain)
    others = table.bystanders
    assert others is not None
    splits = leave_one_site_out(table)
    results = validate(table, splits, ALL_MODELS, CONFIG)
    frame, held_out = bystander_frame(table, results), out_of_fold_frame(table, results)
    assert held_out.equals(out_of_fold_frame(plain, validate(plain, splits, ALL_MODELS, CONFIG)))
    assert list(frame.columns) == [*held_out.columns, "group"]
    for name, part in frame.groupby("model"):
        ordered = part.sort_values("row")
        assert ordered["row"].tolist() == list(range(1, 71))
        np.testing.assert_array_equal(ordered["y"], others.y)
        assert ordered["group"].tolist() == others.group.tolist()
        assert ordered["site"].tolist() == others.site.tolist()
        for fold, split in enumerate(splits):
            columns = model_columns(str(name), table)
            rows = table.training_rows().columns(columns).rows(split.train)
            fitted = fit_model(str(name), rows, CONFIG, too_few=False)
            mine = ordered[ordered["fold"] == fold]
            X = others.X[np.ix_(mine["row"].to_numpy() - 1, columns)]
            np.testing.assert_array_equal(mine["log_odds"], fitted.log_odds(X))
            assert not np.isin(mine["site"], rows.site).any()


def test_without_bystanders_their_table_is_empty() -> None:
    table = simulated_table(n=60)
    results = validate(table, leave_one_site_out(table), ["base_rate"], CONFIG)
    assert bystander_frame(table, results).empty
    assert list(bystander_frame(table, results).columns)[-1] == "group"
