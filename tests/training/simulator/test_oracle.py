from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import roc_auc_score

from training.simulator import oracle
from training.simulator.draw import PatientDraw, draw_patients
from training.simulator.figures import logistic_auc
from training.simulator.oracle import response_probability
from training.simulator.parameters import load_parameters
from training.simulator.sites import Enrolment, draw_sites

FloatArray = npt.NDArray[np.float64]
N = 25_000


@pytest.fixture(scope="module", params=["conservative", "optimistic"])
def draw(request: pytest.FixtureRequest) -> PatientDraw:
    return draw_patients(N, request.param, seed=1)


@pytest.fixture(scope="module")
def of_sites(draw: PatientDraw) -> FloatArray:
    return response_probability(draw, site_effects="realised")


def excess(outcome: FloatArray, probability: FloatArray, weight: FloatArray) -> float:
    """Return the weighted sum of outcome less probability, in its standard errors."""
    sd = np.sqrt(np.sum(probability * (1 - probability) * weight**2))
    return float(np.sum((outcome - probability) * weight) / sd)


def features(draw: PatientDraw) -> dict[str, FloatArray]:
    """Return functions of what was observed, none of which may tell more than the oracle."""
    known = {name: np.nan_to_num(v - np.nanmean(v)) for name, v in draw.observed.items()}
    hidden = {f"no {name}": np.isnan(v).astype(float) for name, v in draw.observed.items()}
    told = {name: values for name, values in hidden.items() if values.any()}
    total = draw.outcomes.baseline_total
    shaped = {
        "everybody": np.ones(len(draw)),
        "severity": total - total.mean(),
        "mildest": (total <= 14).astype(float),
        "anxiety squared": known["gad7_total"] ** 2,
        "anxiety and benzodiazepine": known["gad7_total"] * known["benzodiazepine"],
        "old men": known["age"] * (1 - draw.observed["sex"]),
        "trials squared": known["failed_trials"] ** 2,
        "no duration, many trials": hidden["no episode_duration_months"] * known["failed_trials"],
    }
    return {**known, **told, **shaped}


def test_nothing_observed_tells_more_than_the_oracle(
    draw: PatientDraw, of_sites: FloatArray
) -> None:
    response = draw.outcomes.response.astype(float)
    tests = {name: excess(response, of_sites, w) for name, w in features(draw).items()}

    assert len(tests) > 60
    # About 70 tests: a false alarm at 4.5 has a chance of 1 in 2,000.
    assert {name: z for name, z in tests.items() if abs(z) > 4.5} == {}


def test_the_oracle_is_calibrated_in_every_tenth(draw: PatientDraw, of_sites: FloatArray) -> None:
    response = draw.outcomes.response.astype(float)
    tenth = np.digitize(of_sites, np.quantile(of_sites, np.linspace(0.1, 0.9, 9)))

    for number in range(10):
        assert abs(excess(response, of_sites, (tenth == number).astype(float))) < 4


def test_dropout_multiplies_the_odds_by_a_constant(draw: PatientDraw, of_sites: FloatArray) -> None:
    missing, known = draw.parameters.missing, draw.outcome_known
    stay = of_sites * (1 - missing.outcome_responders)
    among_known = stay / (stay + (1 - of_sites) * (1 - missing.outcome_others))
    response = draw.outcomes.response.astype(float)

    for weight in (np.ones(N), of_sites - 0.45):
        assert abs(excess(response[known], among_known[known], weight[known])) < 4


def test_no_regression_on_observed_columns_beats_it(
    draw: PatientDraw, of_sites: FloatArray
) -> None:
    columns = np.column_stack(list(features(draw).values()))
    independent = columns[:, _independent_columns(columns)]
    response = draw.outcomes.response

    fitted = logistic_auc(independent, response)

    # In-sample optimism of 60 columns on 25,000 rows is about 0.004.
    assert fitted < roc_auc_score(response, of_sites) + 0.007
    assert fitted > roc_auc_score(response, of_sites) - 0.02


def _independent_columns(columns: FloatArray) -> list[int]:
    """Return columns that are neither constant nor repeat another, such as one missing list."""
    seen: set[bytes] = set()
    kept = []
    for number, column in enumerate(columns.T):
        key = column.tobytes()
        if np.ptp(column) > 0 and key not in seen:
            seen.add(key)
            kept.append(number)
    return kept


def test_unknown_site_deviations_are_averaged_out() -> None:
    rows = 40
    draw = draw_patients(rows, "conservative", seed=2)
    rng = np.random.default_rng(0)
    probabilities = []
    for _ in range(80):
        sites = draw_sites(8, draw.scenario, load_parameters(), rng)
        other = replace(draw, enrolment=Enrolment(sites, draw.enrolment.site_index))
        probabilities.append(response_probability(other, site_effects="realised"))

    drawn = np.array(probabilities)
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert np.all(np.abs(response_probability(draw) - drawn.mean(axis=0)) < 4.5 * error + 2e-4)


def test_knowing_the_sites_helps(draw: PatientDraw, of_sites: FloatArray) -> None:
    response = draw.outcomes.response

    assert roc_auc_score(response, of_sites) > roc_auc_score(response, response_probability(draw))


@pytest.mark.parametrize(
    "hide",
    [
        lambda draw: replace(draw, recorded={}),
        lambda draw: replace(draw, outcome_known=~draw.outcome_known),
        lambda draw: replace(
            draw, outcomes=replace(draw.outcomes, final_total=0 * draw.outcomes.final_total)
        ),
        lambda draw: replace(
            draw, enrolment=Enrolment(draw.enrolment.sites, 0 * draw.enrolment.site_index)
        ),
    ],
    ids=["hidden values", "dropout", "final totals", "site labels"],
)
def test_it_looks_at_nothing_but_what_was_observed(
    hide: Callable[[PatientDraw], PatientDraw],
) -> None:
    draw = draw_patients(200)

    np.testing.assert_array_equal(response_probability(hide(draw)), response_probability(draw))


@pytest.mark.parametrize("total", [8.0, 14.0, 15.0, 23.0, 45.0])
def test_the_response_rate_of_a_class_equals_a_simulation(total: float) -> None:
    parameters = load_parameters()
    model, n = parameters.improvement, 200_000
    rng = np.random.default_rng(int(total))
    for mean, sd, rate in zip(
        (model.improver_mean, model.other_mean),
        (model.improver_sd, model.other_sd),
        oracle._response_rates(np.array([total]), parameters),
        strict=True,
    ):
        fraction = np.minimum(rng.normal(mean, sd, n), 1)
        noise = rng.normal(0, model.rating_noise_sd_points, n)
        final = np.clip(np.rint(total * (1 - fraction) + noise), 0, 52)
        simulated = np.mean(final <= 0.5 * total)
        assert rate[0] == pytest.approx(simulated, abs=4.5 * np.sqrt(0.25 / n))


def test_rows_may_be_scored_in_parts() -> None:
    draw = draw_patients(9_000)
    whole = response_probability(draw)

    part = replace(
        draw,
        observed={name: values[:100] for name, values in draw.observed.items()},
        outcomes=replace(draw.outcomes, baseline_total=draw.outcomes.baseline_total[:100]),
        enrolment=Enrolment(draw.enrolment.sites, draw.enrolment.site_index[:100]),
    )
    np.testing.assert_allclose(response_probability(part), whole[:100], rtol=1e-12)
