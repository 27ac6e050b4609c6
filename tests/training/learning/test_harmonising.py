import json
from dataclasses import replace

import numpy as np
import pytest
from cohort_tables import minimal_spec, quick_config, simulated_table, with_bystanders

from data_schemas.connectome import Connectome
from data_schemas.errors import ConfigurationError
from data_schemas.patient import Patient
from features.patient_rows import patient_row
from serving.model_document import Calibration, ModelDocument
from serving.predictor import ResponsePredictor
from training.config import HarmonisationConfig
from training.dataset import TrainingTable
from training.isolation import check_fold_isolation
from training.learning.fit import fit_predictor, served_rows
from training.learning.harmonising import check_harmonisation, fit_harmoniser, harmonised
from training.learning.models import LIGHTGBM_BOTH, LIGHTGBM_CONNECTIVITY, fit_boosted
from training.learning.rows import TrainingRows
from training.learning.splits import SINGLE_PATIENT_SITES, UNKNOWN_SITE, Split, outer_splits
from training.learning.validation import model_columns, validate
from training.performance.permutation import permuted_performance, plan_permutations
from training.simulator.matrices import parcel_labels
from training.stability.replicates import fit_replicate, plan_bootstraps

CONFIG = quick_config()
COMBAT = HarmonisationConfig(method="combat", covariates=("age_years", "female"), reference_site="")
MODELS = (LIGHTGBM_CONNECTIVITY, LIGHTGBM_BOTH)


def scanner_table(n: int = 160, n_sites: int = 4, signal: float = 1.0) -> TrainingTable:
    """Return patients whose sites differ in connectivity, and who are harmonised for it."""
    table = simulated_table(n=n, n_sites=n_sites, scanned=0.7, signal=signal)
    X = table.X.copy()
    networks = table.columns_of("connectivity")
    number = np.unique(table.site, return_inverse=True)[1]
    X[:, networks] += 0.3 * number[:, None]
    return replace(table, X=X, harmonisation=COMBAT)


def connectivity(rows: TrainingRows) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    assert rows.measured is not None
    return rows.X[:, rows.measured.harmonised]


def leave_one_site_out(table: TrainingTable) -> list[Split]:
    return outer_splits(table.y, table.site, minimum_sites=3, folds=3, repeats=1, seed=7)[1]


def test_nothing_is_harmonised_by_default() -> None:
    assert CONFIG.harmonisation.method == "none"
    rows = replace(scanner_table(), harmonisation=CONFIG.harmonisation).training_rows()
    assert rows.measured is None
    assert harmonised(rows, np.arange(40)) is rows


def test_a_held_out_site_keeps_its_values_and_the_others_come_together() -> None:
    table = scanner_table()
    rows = table.training_rows()
    split = leave_one_site_out(table)[0]
    fold = harmonised(rows, split.train)
    np.testing.assert_array_equal(fold.X[split.test], rows.X[split.test])
    assert rows.measured is not None
    clinical = ~rows.measured.harmonised
    np.testing.assert_array_equal(fold.X[:, clinical], rows.X[:, clinical])
    sites = np.unique(table.site[split.train])
    before, after = (
        np.ptp([np.nanmean(connectivity(each)[table.site == name]) for name in sites])
        for each in (rows, fold)
    )
    assert before > 0.5
    assert after < 0.01


def test_every_fold_starts_from_what_was_measured() -> None:
    rows = scanner_table().training_rows()
    one, other = np.arange(0, 120), np.arange(40, 160)
    np.testing.assert_array_equal(
        harmonised(harmonised(rows, one), other).X, harmonised(rows, other).X
    )
    part = harmonised(rows, one).rows(one)
    inner = np.arange(60)
    np.testing.assert_array_equal(harmonised(part, inner).X, harmonised(rows, inner).X[one])


@pytest.mark.parametrize("site", [UNKNOWN_SITE, SINGLE_PATIENT_SITES])
def test_sites_that_name_no_scanner_are_not_learned(site: str) -> None:
    table = scanner_table()
    sites = table.site.astype("<U30")
    sites[sites == "site-3"] = site
    effects = fit_harmoniser(replace(table, site=sites).training_rows()).effects
    assert effects is not None
    assert [shift.site for shift in effects.sites] == ["site-0", "site-1", "site-2"]


@pytest.mark.parametrize("what", ["X", "y", "site"])
def test_altering_held_out_rows_changes_no_fitted_state(what: str) -> None:
    table = scanner_table(n=120)
    split = leave_one_site_out(table)[0]
    X, y, site = table.X.copy(), table.y.copy(), table.site.astype("<U20")
    if what == "X":
        X[split.test] = np.random.default_rng(9).normal(1e3, 1e3, X[split.test].shape)
    if what == "y":
        y[split.test] = ~y[split.test]
    if what == "site":
        site[split.test] = "site-1"
    altered = replace(table, X=X, y=y, site=site)
    states = [
        [result.state_digest for result in validate(each, [split], MODELS, CONFIG)]
        for each in (table, altered)
    ]
    assert states[0] == states[1]


def test_the_alarm_of_the_project_stays_silent_and_rings_before_the_split() -> None:
    table = scanner_table(n=120)
    splits = leave_one_site_out(table)[:1]

    def effects(X: object, site: object, learned_from: object) -> object:
        return fit_harmoniser(table.rows_of(X, table.y, site), learned_from).effects  # type: ignore[arg-type]

    def within(X: object, y: object, site: object, train: object, test: object) -> object:  # noqa: ARG001
        return effects(X, site, train)

    def before(X: object, y: object, site: object, train: object, test: object) -> object:  # noqa: ARG001
        return effects(X, site, None)

    def leaks(fit: object) -> frozenset[str]:
        return check_fold_isolation(fit, table.X, table.y, table.site, splits).what  # type: ignore[arg-type]

    assert leaks(within) == frozenset()
    assert leaks(before) == {"X", "site"}


def test_harmonisation_is_part_of_the_fitted_state_and_of_the_answer() -> None:
    table = scanner_table(n=120)
    plain = replace(table, harmonisation=None)
    [split, *_] = leave_one_site_out(table)
    [with_it], [without] = (
        validate(each, [split], [LIGHTGBM_CONNECTIVITY], CONFIG) for each in (table, plain)
    )
    assert with_it.state_digest != without.state_digest


def test_inner_folds_do_not_see_their_held_out_patients_scanners(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learned: list[int] = []

    def recorded(rows: TrainingRows, learned_from: object) -> TrainingRows:
        learned.append(len(learned_from))  # type: ignore[arg-type]
        return harmonised(rows, learned_from)  # type: ignore[arg-type]

    for module in ("boosting", "tuning"):
        monkeypatch.setattr(f"training.learning.{module}.harmonised", recorded)
    table = scanner_table(n=120)
    columns = model_columns(LIGHTGBM_CONNECTIVITY, table)
    fit_boosted(table.training_rows().columns(columns), CONFIG)
    assert len(learned) > CONFIG.boosting.bag_repeats
    assert max(learned) < 120


def test_bystanders_of_a_known_site_are_harmonised_as_its_patients_are() -> None:
    table = with_bystanders(scanner_table(n=120))
    others = table.bystander_rows()
    assert others.measured is not None
    rows = table.training_rows()
    applied = fit_harmoniser(rows).applied(others)
    scanned = ~np.isnan(connectivity(others)).all(axis=1)
    first = others.site == "site-0"
    assert (connectivity(applied)[scanned & first] != connectivity(others)[scanned & first]).any()
    results = validate(table, leave_one_site_out(table)[:1], MODELS, CONFIG)
    assert all(np.isfinite(result.bystander_log_odds).all() for result in results)


@pytest.fixture(scope="module")
def table() -> TrainingTable:
    return scanner_table(n=200)


@pytest.fixture(scope="module")
def fitted(table: TrainingTable) -> ResponsePredictor:
    return fit_predictor(table, minimal_spec(), CONFIG, served=LIGHTGBM_BOTH, fingerprint="f" * 64)


def test_the_artefact_holds_what_was_learned_as_text(
    table: TrainingTable, fitted: ResponsePredictor
) -> None:
    document = ModelDocument.from_text(fitted.document.to_text())
    assert document == fitted.document
    assert document.harmonisation is not None
    assert [shift.site for shift in document.harmonisation.sites] == list(table.site_names)


def test_artefact_answers_as_the_fitted_bag_does(
    table: TrainingTable, fitted: ResponsePredictor
) -> None:
    rows = served_rows(table, fitted)
    bag = fit_boosted(rows, CONFIG)
    np.testing.assert_allclose(fitted.log_odds(rows.X), bag.log_odds(rows.X), rtol=0, atol=1e-10)


def test_contributions_add_up(table: TrainingTable, fitted: ResponsePredictor) -> None:
    X = served_rows(table, fitted).X
    assert np.abs(fitted.contributions(X)).max() > 0
    total = fitted.baseline_log_odds + fitted.contributions(X).sum(axis=1)
    np.testing.assert_allclose(total, fitted.log_odds(X), rtol=0, atol=1e-9)


def test_percentiles_are_of_what_the_model_sees(
    table: TrainingTable, fitted: ResponsePredictor
) -> None:
    rows = served_rows(table, fitted)
    for column, feature in enumerate(fitted.document.features):
        if feature.group == "connectivity":
            assert feature.reference is not None
            seen = rows.X[~np.isnan(rows.X[:, column]), column]
            assert abs(feature.reference.p50 - np.median(seen)) < 0.05


def scanned_patients(table: TrainingTable, n: int = 24) -> tuple[list[Patient], TrainingTable]:
    """Return patients with connectomes, and the table with their features in its first rows."""
    rng = np.random.default_rng(1)
    labels = parcel_labels()
    X = table.X.copy()
    patients = []
    for number in range(n):
        signals = rng.normal(size=(60, len(labels))) + rng.normal(size=(60, 1))
        patients.append(
            Patient(
                age_years=float(rng.integers(20, 80)),
                sex=("female", "male")[number % 2],
                failed_trials=3,
                site=str(table.site[number]),
                connectome=Connectome.from_matrix(labels, np.corrcoef(signals.T), n_volumes=200),
            )
        )
        X[number] = patient_row(patients[-1], table.features)
    return patients, replace(table, X=X)


def test_serving_harmonises_as_training_does_to_the_last_bit(table: TrainingTable) -> None:
    patients, full = scanned_patients(table)
    model = fit_predictor(full, minimal_spec(), CONFIG, served=LIGHTGBM_BOTH, fingerprint="f" * 64)
    trained = served_rows(full, model)
    served = ResponsePredictor(
        ModelDocument.from_text(model.document.to_text()), model._booster_text
    )
    for number, patient in enumerate(patients):
        row = served._scanners.without(patient_row(patient, served.features), patient)
        np.testing.assert_array_equal(row, trained.X[number])
    measured = full.X[: len(patients), full.columns_of("connectivity")]
    assert (connectivity(trained)[: len(patients)] != measured).all()


@pytest.mark.parametrize("site", ["somewhere", None])
def test_a_patient_of_an_unknown_scanner_is_told_so(table: TrainingTable, site: str | None) -> None:
    patients, full = scanned_patients(table)
    model = fit_predictor(full, minimal_spec(), CONFIG, served=LIGHTGBM_BOTH, fingerprint="f" * 64)
    code = "site_unseen_for_harmonisation"

    def codes(patient: Patient) -> list[str]:
        return [notice.code for notice in model.predict(patient).notices]

    known = patients[0]
    assert code not in codes(known)
    elsewhere = known.model_copy(update={"site": site})
    assert code in codes(elsewhere)
    assert code not in codes(elsewhere.model_copy(update={"connectome": None}))
    flat = model.document.model_copy(update={"calibration": Calibration(slope=0, intercept=0)})
    answer = ResponsePredictor(flat, model._booster_text).predict(elsewhere)
    assert code not in [notice.code for notice in answer.notices]
    row = patient_row(elsewhere, model.features)
    np.testing.assert_array_equal(model._scanners.without(row, elsewhere), row)


def test_bootstraps_and_permutations_harmonise_anew(
    table: TrainingTable, fitted: ResponsePredictor
) -> None:
    plan = plan_bootstraps(table, fitted, CONFIG)
    plain = replace(plan, rows=replace(plan.rows, measured=None))
    one, other = fit_replicate(plan, 0), fit_replicate(plain, 0)
    assert (one["log_odds"] != other["log_odds"]).any()
    permuting = plan_permutations(table, LIGHTGBM_CONNECTIVITY, CONFIG, too_few=False)
    assert permuting.rows.measured is not None
    assert 0 <= permuted_performance(permuting, 1)["brier"] <= 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"covariates": ("age_yaers",)}, "Did you mean 'age_years'"),
        ({"covariates": ("fc_within_vis",)}, "not a clinical feature"),
        ({"reference_site": "site-9"}, "not a site of this cohort"),
        ({"reference_site": "site-1"}, "fewer than 5 usable scans"),
    ],
)
def test_settings_that_the_cohort_cannot_meet_are_refused(
    changes: dict[str, object], said: str
) -> None:
    table = scanner_table()
    X = table.X.copy()
    X[np.ix_(table.site == "site-1", table.columns_of("connectivity"))] = np.nan
    config = COMBAT.model_copy(update=changes)
    with pytest.raises(ConfigurationError, match=said):
        check_harmonisation(config, table.features, X, table.site)
    check_harmonisation(COMBAT, table.features, X, table.site)


def test_models_of_earlier_releases_load(fitted: ResponsePredictor) -> None:
    plain = fitted.document.model_copy(update={"harmonisation": None})
    content = json.loads(plain.to_text())
    for name in ("harmonisation", "adapted_from"):
        del content[name]
    assert ModelDocument.from_text(json.dumps(content)) == plain
