from dataclasses import replace

import numpy as np
import pytest

from data_schemas.errors import UsageError
from data_schemas.outcome import Outcome
from training.simulator.clinical import class_log_odds
from training.simulator.columns import COLUMNS
from training.simulator.draw import PatientDraw, draw_patients
from training.simulator.parameters import load_parameters

N = 20_000


@pytest.fixture(scope="module")
def draw() -> PatientDraw:
    return draw_patients(N)


def share_missing(draw: PatientDraw, name: str) -> float:
    return float(np.mean(np.isnan(draw.observed[name])))


def test_the_same_seed_gives_the_same_patients() -> None:
    one, same, other = (draw_patients(60, seed=seed) for seed in (3, 3, 4))

    for column in COLUMNS:
        np.testing.assert_array_equal(one.observed[column.name], same.observed[column.name])
    np.testing.assert_array_equal(one.outcomes.final_total, same.outcomes.final_total)
    assert not np.array_equal(one.outcomes.final_total, other.outcomes.final_total)
    assert one.enrolment.sites == same.enrolment.sites != other.enrolment.sites


def test_new_patients_of_the_same_sites_keep_the_sites(draw: PatientDraw) -> None:
    again = draw_patients(400, seed=8, sites=draw.enrolment.sites)

    assert again.enrolment.sites == draw.enrolment.sites
    assert len(again) == 400


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"scenario": "optimist"}, "Did you mean 'optimistic'"),
        ({"n_patients": 19, "n_sites": 1}, "between 20 and"),
        ({"n_patients": 39}, "With 8 sites the number of patients must lie between 40 and"),
        ({"n_sites": 0}, "between 1 and 50"),
        ({"n_sites": 51}, "between 1 and 50"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_requests_are_refused(arguments: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        draw_patients(**{"n_patients": 800, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize("n_sites", [1, 3, 8, 13])
def test_sites_have_distinct_names_and_sizes_by_share(n_sites: int) -> None:
    draw = draw_patients(500, n_sites=n_sites)
    sites = draw.enrolment.sites
    sizes = np.bincount(draw.enrolment.site_index, minlength=n_sites)

    assert len({site.name for site in sites}) == n_sites
    assert sum(site.share for site in sites) == pytest.approx(1)
    assert np.all(np.abs(sizes - [500 * site.share for site in sites]) < 1)


def test_eight_sites_hold_a_veterans_and_a_low_rate_clinic(draw: PatientDraw) -> None:
    parameters = load_parameters()
    by_profile = {
        name: np.isin(
            draw.enrolment.site_index,
            [i for i, s in enumerate(draw.enrolment.sites) if s.profile == profile],
        )
        for name, profile in parameters.profiles.items()
    }
    veterans, general, low = (by_profile[k] for k in ("veterans", "general", "low_rate"))
    sex, age, ptsd = (draw.recorded[name] for name in ("sex", "age", "ptsd"))

    assert sex[veterans].mean() == pytest.approx(0.195, abs=0.03)
    assert sex[general].mean() == pytest.approx(0.60, abs=0.02)
    assert age[veterans].mean() > age[general].mean() + 4
    assert ptsd[veterans].mean() == pytest.approx(0.6, abs=0.03)
    assert ptsd[general].mean() == pytest.approx(0.1, abs=0.02)
    assert draw.outcomes.baseline_total[low].std() > 6 > draw.outcomes.baseline_total[general].std()


def test_predictors_have_the_correlations_and_shares_of_the_parameters(draw: PatientDraw) -> None:
    latent, parameters = draw.latent, draw.parameters
    general = draw.enrolment.of_site(lambda site: site.profile.severity_sd_points) < 5

    anxiety = np.corrcoef(latent.anxiety[general], latent.severity[general])[0, 1]
    trials = np.corrcoef(latent.failed_trials, latent.log_duration)[0, 1]
    assert anxiety == pytest.approx(parameters.correlations.anxiety_severity, abs=0.03)
    assert trials == pytest.approx(parameters.correlations.failures_duration, abs=0.03)
    for name, share in (("employed", 0.45), ("recurrent", 0.70), ("psychotic_features", 0.05)):
        assert draw.recorded[name].mean() == pytest.approx(share, abs=0.015)
    takes = draw.recorded["benzodiazepine"] > 0
    assert latent.anxiety[takes].mean() > latent.anxiety[~takes].mean() + 0.2


def test_failed_trials_are_miscounted_by_at_most_one(draw: PatientDraw) -> None:
    from training.simulator.clinical import failures_scale

    true_count = failures_scale(draw.parameters).record(draw.latent.failed_trials)
    miscount = draw.recorded["failed_trials"] - true_count

    assert set(miscount.tolist()) == {-1.0, 0.0, 1.0}
    assert np.mean(miscount < 0) == pytest.approx(0.161, abs=0.01)
    assert np.mean(miscount > 0) == pytest.approx(0.075, abs=0.01)


def test_the_log_odds_are_the_sum_that_is_documented(draw: PatientDraw) -> None:
    parameters, latent, columns = draw.parameters, draw.latent, draw.recorded
    log_odds = class_log_odds(latent, columns, draw.enrolment, draw.scenario, parameters)

    i = 17
    site = draw.enrolment.sites[draw.enrolment.site_index[i]]
    age = (columns["age"][i] - 49.2) / 16.4
    expected = (
        -0.10
        + site.profile.intercept_offset
        + site.intercept
        - 0.10 * latent.severity[i]
        + (-0.25 + site.anxiety_slope) * latent.anxiety[i]
        - 0.28 * latent.failed_trials[i]
        - 0.22 * latent.log_duration[i]
        + 0.40 * columns["employed"][i]
        + 0.12 * columns["sex"][i]
        - 0.40 * columns["benzodiazepine"][i]
        - 0.30 * columns["psychotic_features"][i]
        + 0.20 * columns["recurrent"][i]
        + 0.05 * age
        + 0.08 * age**2
        + (-0.40 + site.sgacc_slope) * latent.sgacc[i]
        - 0.20 * latent.default_mode[i]
        + 0.12 * latent.frontoparietal[i]
    )
    assert log_odds[i] == pytest.approx(expected, abs=1e-12)


def test_connectivity_moves_nobody_in_the_null_scenario() -> None:
    draw = draw_patients(400, "null")
    without = replace(draw.latent, sgacc=np.zeros(400), default_mode=np.ones(400))

    with_it, without_it = (
        class_log_odds(latent, draw.recorded, draw.enrolment, draw.scenario, draw.parameters)
        for latent in (draw.latent, without)
    )

    np.testing.assert_array_equal(with_it, without_it)


def test_response_and_remission_are_those_of_the_totals(draw: PatientDraw) -> None:
    outcomes = draw.outcomes
    for i in range(500):
        same = Outcome(
            instrument="HDRS-17",
            baseline_total=outcomes.baseline_total[i],
            final_total=outcomes.final_total[i],
        )
        assert (same.response, same.remission) == (outcomes.response[i], outcomes.remission[i])


def test_single_columns_are_missing_as_often_as_stated(draw: PatientDraw) -> None:
    missing = draw.parameters.missing.model_dump()
    single = [column for column in COLUMNS if column.mechanism in missing]

    assert len(single) > 20
    for column in single:
        expected = missing[column.mechanism]
        assert share_missing(draw, column.name) == pytest.approx(expected, abs=0.01)
    assert 0.15 < share_missing(draw, "episode_duration_months") < 0.30
    assert share_missing(draw, "age") == share_missing(draw, "sex") == 0


def test_what_is_missing_together_is_missing_together(draw: PatientDraw) -> None:
    lists = [np.isnan(draw.observed[c.name]) for c in COLUMNS if c.mechanism == "medication"]

    assert len(lists) == 9
    assert all(np.array_equal(lists[0], other) for other in lists[1:])


def test_anxiety_is_missing_by_site(draw: PatientDraw) -> None:
    hidden = np.isnan(draw.observed["gad7_total"])

    for site, here in draw.enrolment.by_site():
        assert hidden[here].mean() == pytest.approx(site.anxiety_missing, abs=0.04)


def test_duration_is_missing_more_often_in_the_old_and_not_by_its_value(draw: PatientDraw) -> None:
    hidden = np.isnan(draw.observed["episode_duration_months"])
    old = draw.recorded["age"] > 60
    months = draw.recorded["episode_duration_months"]

    assert hidden[old].mean() > hidden[~old].mean() + 0.05
    assert abs(np.corrcoef(hidden, np.log(months))[0, 1]) < 4 / np.sqrt(N)


def test_non_responders_drop_out_more_often(draw: PatientDraw) -> None:
    lost, response = ~draw.outcome_known, draw.outcomes.response

    assert 0.15 < lost.mean() < 0.25
    assert lost[response].mean() == pytest.approx(0.12, abs=0.015)
    assert lost[~response].mean() == pytest.approx(0.26, abs=0.015)


def test_hidden_cells_are_the_only_difference(draw: PatientDraw) -> None:
    for name, complete in draw.recorded.items():
        seen = ~np.isnan(draw.observed[name])
        np.testing.assert_array_equal(draw.observed[name][seen], complete[seen])
        assert np.all(np.isfinite(complete))
