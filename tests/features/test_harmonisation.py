import doctest
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from data_schemas.errors import DataError
from features import harmonisation
from features.harmonisation import MINIMUM_SITE_SCANS, ComBat, adapt
from features.site_effects import SiteEffects

FIXTURE = Path(__file__).parent / "neurocombat"
Array = npt.NDArray[np.float64]
COVARIATES = ["age_years", "female"]


@pytest.fixture(scope="module")
def shared() -> pd.DataFrame:
    return pd.read_csv(FIXTURE / "input.csv")


def features_of(table: pd.DataFrame) -> Array:
    return table.filter(regex="^f[0-9]").to_numpy(np.float64)


def scanned(
    shifts: dict[str, float], n: int = 60, p: int = 30, seed: int = 0
) -> tuple[Array, npt.NDArray[np.str_], Array]:
    """Return features, sites and ages, with the sites' planted shifts and spreads."""
    rng = np.random.default_rng(seed)
    site = np.repeat(list(shifts), n)
    age = rng.uniform(20, 80, len(site))
    own = np.array(list(shifts.values())).repeat(n)
    noise = 0.1 * (1 + np.abs(own))[:, None] * rng.normal(size=(len(site), p))
    shift = 0.2 * own[:, None] * np.linspace(0.5, 1.5, p)
    X = 0.2 + 0.004 * (age[:, None] - 50) + shift + noise
    return X, site, age[:, None]


SHIFTS = {"east": -1.0, "north": 0.0, "west": 1.5}


@pytest.mark.parametrize(
    ("name", "covariates", "reference"),
    [
        ("average", COVARIATES, None),
        ("reference", COVARIATES, "south"),
        ("no_covariates", [], None),
    ],
)
def test_equals_neurocombat(
    shared: pd.DataFrame, name: str, covariates: list[str], reference: str | None
) -> None:
    expected = pd.read_csv(FIXTURE / f"{name}.csv").to_numpy()
    adjusted = ComBat(reference_site=reference).fit_transform(
        features_of(shared),
        site=shared["site"].to_numpy(str),
        covariates=shared[covariates].to_numpy(np.float64),
    )
    np.testing.assert_allclose(adjusted, expected, rtol=0, atol=1e-6)
    assert np.abs(adjusted - features_of(shared)).max() > 0.1


def test_one_patient_is_as_all_are_to_the_last_bit() -> None:
    X, site, age = scanned(SHIFTS)
    fitted = ComBat().fit(X, site=site, covariates=age)
    together = fitted.transform(X, site=site, covariates=age)
    text = fitted.effects_.model_dump_json()
    served = SiteEffects.model_validate_json(text)
    alone = [served.without(X[[i]], site[[i]], age[[i]])[0] for i in range(len(X))]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("site", ["elsewhere", ""])
def test_patients_of_no_known_site_keep_their_values(site: str) -> None:
    X, sites, age = scanned(SHIFTS)
    fitted = ComBat().fit(X, site=sites, covariates=age)
    kept = fitted.transform(X, site=np.full(len(X), site), covariates=age)
    np.testing.assert_array_equal(kept, X)


def test_the_reference_site_keeps_its_values_and_the_others_come_to_it() -> None:
    X, site, age = scanned(SHIFTS)
    adjusted = ComBat(reference_site="west").fit_transform(X, site=site, covariates=age)
    west = site == "west"
    np.testing.assert_array_equal(adjusted[west], X[west])
    assert abs(adjusted[~west].mean() - X[west].mean()) < 0.01


def test_missing_scans_stay_missing_and_change_nothing_for_the_others() -> None:
    X, site, age = scanned(SHIFTS)
    more = np.vstack([np.full((9, X.shape[1]), np.nan), X])
    sites, ages = np.append(np.repeat("north", 9), site), np.vstack([age[:9], age])
    adjusted = ComBat().fit_transform(more, site=sites, covariates=ages)
    assert np.isnan(adjusted[:9]).all()
    expected = ComBat().fit_transform(X, site=site, covariates=age)
    np.testing.assert_allclose(adjusted[9:], expected, rtol=0, atol=1e-12)


def test_a_feature_is_learned_from_the_rows_where_it_is_known() -> None:
    X, site, age = scanned(SHIFTS)
    holes = X.copy()
    holes[::7, 3] = np.nan
    holes[site == "west", 5] = np.nan
    adjusted = ComBat().fit_transform(holes, site=site, covariates=age)
    np.testing.assert_array_equal(np.isnan(adjusted), np.isnan(holes))
    residual = adjusted[:, 3] - 0.004 * (age[:, 0] - 50)
    means = [np.nanmean(residual[site == name]) for name in SHIFTS]
    assert np.ptp(means) < 0.05


def test_learns_nothing_from_one_site_or_from_sites_with_few_scans() -> None:
    X, site, age = scanned({"east": 1.0})
    few = MINIMUM_SITE_SCANS - 1
    site[:few] = "north"
    fitted = ComBat().fit(X, site=site, covariates=age)
    assert fitted.effects_.sites == ()
    np.testing.assert_array_equal(fitted.transform(X, site=site, covariates=age), X)


def test_constant_features_and_covariates_do_no_harm() -> None:
    X, site, age = scanned(SHIFTS)
    X[:, 2] = 0.7
    covariates = np.column_stack([age, np.ones(len(age)), np.full(len(age), np.nan)])
    fitted = ComBat().fit(X, site=site, covariates=covariates)
    np.testing.assert_array_equal(fitted.effects_.coefficients[1:], 0)
    adjusted = fitted.transform(X, site=site, covariates=covariates)
    np.testing.assert_array_equal(adjusted[:, 2], 0.7)
    plain = ComBat().fit_transform(X, site=site, covariates=age)
    np.testing.assert_allclose(adjusted, plain, rtol=0, atol=1e-10)


def test_an_unknown_covariate_is_taken_as_average() -> None:
    X, site, age = scanned(SHIFTS)
    fitted = ComBat().fit(X, site=site, covariates=age)
    unknown = fitted.transform(X[:1], site=site[:1], covariates=[[np.nan]])
    average = fitted.transform(X[:1], site=site[:1], covariates=[[age.mean()]])
    np.testing.assert_allclose(unknown, average, rtol=0, atol=1e-12)


def test_adapting_brings_a_new_site_nearer_than_leaving_it_as_it_is() -> None:
    shifts = {f"site-{k}": value for k, value in enumerate((-1.0, -0.5, 0.0, 0.4, 0.9))}
    X, site, age = scanned(shifts)
    effects = ComBat().fit(X, site=site, covariates=age).effects_
    new, names, ages = scanned({"new": -0.8}, seed=1)
    handful = slice(0, 8)
    adapted = adapt(effects, "new", new[handful], ages[handful])
    rest = slice(8, None)

    def distance(values: Array) -> float:
        residual = values - effects.fitted(ages[rest])
        return float(np.abs(residual.mean(axis=0)).mean())

    assert distance(adapted.without(new[rest], names[rest], ages[rest])) < 0.4 * distance(new[rest])


def test_adapting_changes_nothing_else() -> None:
    X, site, age = scanned(SHIFTS)
    effects = ComBat().fit(X, site=site, covariates=age).effects_
    adapted = adapt(effects, "new", X[:10] + 1, age[:10])
    assert [shift for shift in adapted.sites if shift.site != "new"] == list(effects.sites)
    np.testing.assert_array_equal(adapted.without(X, site, age), effects.without(X, site, age))


def test_fewer_scans_are_shrunk_more() -> None:
    X, site, age = scanned(SHIFTS)
    effects = ComBat().fit(X, site=site, covariates=age).effects_
    far = effects.fitted(np.full((40, 1), 50.0)) + 20 * np.array(effects.standard_deviation)
    rng = np.random.default_rng(0)
    far += rng.normal(size=far.shape) * np.array(effects.standard_deviation)

    def location(n: int) -> float:
        [own] = [
            s for s in adapt(effects, "new", far[:n], np.full((n, 1), 50.0)).sites if s.adapted
        ]
        assert own.n_scans == n
        return float(np.mean(own.location))

    assert location(5) < location(10) < location(40) < 20


def test_too_few_scans_are_refused() -> None:
    X, site, age = scanned(SHIFTS)
    effects = ComBat().fit(X, site=site, covariates=age).effects_
    local = X[:8].copy()
    local[4:] = np.nan
    with pytest.raises(DataError, match=r"4 usable scans .* at least 5 are needed"):
        adapt(effects, "new", local, age[:8])
    with pytest.raises(DataError, match="knows the scanner of site 'west'"):
        adapt(effects, "west", X[:8], age[:8])
    nothing = ComBat().fit(X[:10], site=site[:10], covariates=age[:10]).effects_
    with pytest.raises(DataError, match="nothing to adapt"):
        adapt(nothing, "new", X[:8], age[:8])


def test_is_an_estimator_as_others_are() -> None:
    X, site, _ = scanned(SHIFTS)
    combat = ComBat(reference_site="west")
    with pytest.raises(NotFittedError):
        combat.transform(X, site=site)
    assert clone(combat).get_params() == combat.get_params()


def test_examples_of_the_documentation() -> None:
    result = doctest.testmod(harmonisation)
    assert result.attempted > 0
    assert result.failed == 0
