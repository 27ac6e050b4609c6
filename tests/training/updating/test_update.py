"""A model updated on its ledger's outcomes: right on average, additive, and traceable."""

from pathlib import Path

import numpy as np
import pytest
from monitored_ledgers import day_asked, drawn_patients, write_ledger
from promoted_runs import few_draws
from scipy.special import expit, logit
from served_models import fit_predictor

from data_schemas.errors import DataError
from data_schemas.filled_card import FilledCard
from serving.model_document import IntervalDocument, SpreadDocument
from serving.predictor import ResponsePredictor
from serving.settings import LEDGER_VARIABLE
from serving.stability_interval import SpreadTable
from serving.stored_card import StoredCard
from serving.update_document import LocalUpdate
from tms_response import run
from training.card.render import as_html, as_markdown
from training.promotion.comparison import AUROC, BRIER, Compared
from training.promotion.evidence import Evidence
from training.promotion.judged_update import JudgedUpdate
from training.updating.closed_test import choose_update
from training.updating.judging import judge_update
from training.updating.local_outcomes import LocalOutcomes, of_the_ledger
from training.updating.update import local_update, updated_predictor

PATIENTS = drawn_patients(60, 3)
N_REPLICATES = 40


@pytest.fixture(scope="module")
def predictor() -> ResponsePredictor:
    plain = fit_predictor(drawn_patients(400, 5))
    p = len(plain.feature_names)
    rng = np.random.default_rng(0)
    table = SpreadTable(
        cuts=[np.array([]) for _ in range(p)],
        start=rng.integers(-300, 300, N_REPLICATES),
        steps=np.zeros((0, N_REPLICATES), dtype=np.int64),
        unknown=np.zeros((p, N_REPLICATES), dtype=np.int64),
    )
    text = table.to_text()
    spread = SpreadDocument.of(text, N_REPLICATES)
    return plain.with_interval(IntervalDocument(method="m", level=0.9, spread=spread), text)


def the_update(predictor: ResponsePredictor, slope: float, intercept: float) -> LocalUpdate:
    return LocalUpdate(
        parent=predictor.identity.version, method="logistic recalibration", place="Clinic A",
        slope=slope, intercept=intercept, level_error=0.1, n_patients=300, n_events=90,
        p_unchanged=0.001, p_level=0.01,
    )  # fmt: skip


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.6), (0.4, -0.8), (0.0, -0.85)])
def test_log_odds_change_as_the_update_says(
    predictor: ResponsePredictor, slope: float, intercept: float
) -> None:
    updated = updated_predictor(predictor, the_update(predictor, slope, intercept))
    for patient in PATIENTS:
        before, after = predictor.predict(patient), updated.predict(patient)
        if before.response_probability is None or after.response_probability is None:
            # Who gets the base rate may lack every input.
            assert before.abstained >= after.abstained
            assert before.abstained == after.abstained or slope == 0
            continue
        expected = slope * logit(before.response_probability) + intercept
        assert logit(after.response_probability) == pytest.approx(expected, abs=1e-9)
        total = sum(each.log_odds for each in after.contributions)
        assert after.baseline_log_odds + total == pytest.approx(expected, abs=1e-9)
        assert after.base_rate == 0.3
        assert after.interval is not None
        assert after.interval.lower <= after.response_probability <= after.interval.upper


def test_the_interval_covers_the_update_s_own_error(predictor: ResponsePredictor) -> None:
    sure = the_update(predictor, 1.0, 0.0)
    unsure = sure.model_copy(update={"level_error": 0.8})
    narrow, wide = (
        updated_predictor(predictor, each).predict(PATIENTS[0]).interval for each in (sure, unsure)
    )
    assert narrow is not None
    assert wide is not None
    assert wide.upper - wide.lower > narrow.upper - narrow.lower


def test_the_new_model_records_its_parents(predictor: ResponsePredictor, tmp_path: Path) -> None:
    once = updated_predictor(predictor, the_update(predictor, 1.0, 0.5))
    twice = updated_predictor(once, the_update(once, 0.9, -0.5))
    twice.save(tmp_path)
    parents = [each.parent for each in ResponsePredictor.load(tmp_path).document.updates]
    assert parents == [predictor.identity.version, once.identity.version]
    assert len({predictor.identity.version, once.identity.version, twice.identity.version}) == 3


def test_the_card_says_that_its_figures_are_of_before(
    predictor: ResponsePredictor, tmp_path: Path
) -> None:
    card = FilledCard(
        model_name="m", model_version=predictor.identity.version, title="A model",
        warnings=("Research only.",), answers=(), tables=(), standards=(),
    )  # fmt: skip
    StoredCard(as_html(card, links=False), as_markdown(card), card.to_text()).save(tmp_path)
    before = predictor.with_landmarks(())
    before.card = StoredCard.load(tmp_path, predictor.identity.version)
    updated_predictor(before, the_update(predictor, 0.7, 0.5)).save(tmp_path / "new")
    updated = ResponsePredictor.load(tmp_path / "new")
    assert updated.card is not None
    assert "300 patients of Clinic A: patients are ranked as before" in updated.card.html
    assert f"are those of version {predictor.identity.version}" in updated.card.html
    flat = updated_predictor(before, the_update(predictor, 0.0, 0.5)).card
    assert flat is not None
    assert "all get the same chance now" in flat.markdown
    assert updated_predictor(predictor, the_update(predictor, 0.7, 0.5)).card is None


def test_an_update_of_another_model_is_refused(predictor: ResponsePredictor) -> None:
    other = the_update(predictor, 1.0, 0.5).model_copy(update={"parent": "0.1.0+other"})
    with pytest.raises(DataError, match="name the model that it was estimated for"):
        updated_predictor(predictor, other)


def test_right_answers_need_no_update(predictor: ResponsePredictor) -> None:
    log_odds = np.random.default_rng(1).normal(size=400)
    y = np.random.default_rng(2).random(400) < expit(log_odds)
    chosen, found = local_update(predictor, LocalOutcomes(y, log_odds, "f"), "here")
    assert (chosen.method, found) == ("none", None)


def differences(outcomes: LocalOutcomes) -> dict[str, Compared]:
    with few_draws():
        update = choose_update(outcomes.y, outcomes.log_odds)
        return {each.metric: each for each in judge_update(outcomes, update, "here").compared}


# So little is told apart by the last that some folds alone would turn it round.
@pytest.mark.parametrize(("spread", "slope"), [(0.8, 1.0), (2.0, 0.4), (0.15, 1.0)])
def test_an_update_that_is_needed_looks_better_apart(spread: float, slope: float) -> None:
    rng = np.random.default_rng(4)
    log_odds = rng.normal(0, spread, 400)
    y = rng.random(400) < expit(slope * log_odds + 0.9)
    found = differences(LocalOutcomes(y, log_odds, "f"))
    assert found[BRIER].upper < 0
    # Nobody changes places.
    assert (found[AUROC].difference, found[AUROC].lower, found[AUROC].upper) == (0, 0, 0)


def test_an_update_by_chance_is_not_flattered_by_its_own_patients() -> None:
    gained, promised = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        log_odds = rng.normal(0, 0.8, 120)
        y = rng.random(120) < expit(log_odds)
        update = choose_update(y, log_odds)
        if update.method == "none":
            continue
        before, after = expit(log_odds), expit(update.log_odds(log_odds))
        promised.append(np.mean((after - y) ** 2 - (before - y) ** 2))
        gained.append(differences(LocalOutcomes(y, log_odds, "f"))[BRIER].difference)
    assert len(gained) > 3
    assert max(promised) < 0
    assert np.mean(gained) > np.mean(promised) * 2 / 3
    assert max(gained) > 0


def test_an_update_is_carried_as_a_file_without_patients(
    predictor: ResponsePredictor, tmp_path: Path
) -> None:
    few = Compared(BRIER, 0.25, 0.24, -0.01)
    judged = JudgedUpdate(
        update=the_update(predictor, 0.7, 0.1), evidence=Evidence("here", 300, 90, "f", (few,))
    )
    judged.save(tmp_path / "update.json")
    again = JudgedUpdate.load(tmp_path / "update.json")
    assert again.update == judged.update
    # Without an interval its ends are not numbers, and so are not equal.
    assert again.evidence.as_json() == judged.evidence.as_json()
    assert not again.evidence.compared[0].has_interval
    (tmp_path / "other.json").write_text('{"update": {"slope": "steep"}}')
    with pytest.raises(DataError, match="is not an update") as refused:
        JudgedUpdate.load(tmp_path / "other.json")
    assert "steep" not in str(refused.value)


def test_the_hospital_estimates_and_the_centre_applies(
    predictor: ResponsePredictor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, ledger, file = (tmp_path / name for name in ("model", "ledger.sqlite", "update.json"))
    predictor.save(model)
    write_ledger(f"sqlite:///{ledger}", predictor, drawn_patients(200), shift=1.0)
    monkeypatch.setenv(LEDGER_VARIABLE, f"sqlite:///{ledger}")
    local = ["update", str(model), "--place", "Clinic A", "--estimate", str(file)]
    assert run([*local, "--out", str(tmp_path / "there")]) == 0
    assert "Chosen: recalibration in the large" in capsys.readouterr().out
    monkeypatch.setenv(LEDGER_VARIABLE, f"sqlite:///{tmp_path / 'absent.sqlite'}")
    assert run(["update", str(model), "--apply", str(file), "--out", str(tmp_path / "here")]) == 0
    here, there = (ResponsePredictor.load(tmp_path / name) for name in ("here", "there"))
    assert here.identity.version == there.identity.version != predictor.identity.version
    [update] = here.document.updates
    assert update.place == "Clinic A"
    assert update.intercept == pytest.approx(1.0, abs=0.5)


def test_those_before_a_drift_can_be_left_out(
    predictor: ResponsePredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_before = 149  # the next one is the first of a day
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    patients = drawn_patients(300)
    write_ledger(url, predictor, patients, shift=-1.5, shifted_from=n_before)
    monkeypatch.setenv(LEDGER_VARIABLE, url)
    whole, part = (of_the_ledger(predictor, since) for since in (None, day_asked(n_before)))
    assert part.since == day_asked(n_before)
    assert whole.fingerprint != part.fingerprint
    n_later = sum(not predictor.predict(each).abstained for each in patients[n_before:])
    assert len(whole.y) > len(part.y) == n_later
    of_whole, of_part = (local_update(predictor, each, "here")[1] for each in (whole, part))
    assert of_whole is not None
    assert of_part is not None
    # Both halves together look half as bad.
    assert of_part.update.intercept < of_whole.update.intercept - 0.3
    assert of_part.update.since == day_asked(n_before)
    assert len(of_the_ledger(predictor, day_asked(len(patients) + 3)).y) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "Say what to write"),
        (["--out", "{}"], "exists already"),
        (["--estimate", "{}/absent/u.json"], "There is no folder"),
        (["--apply", "{}/u.json", "--estimate", "{}/v.json"], "leave the others out"),
        (["--apply", "{}/absent.json", "--out", "{}/new"], "cannot be read"),
        (["--cohort", "{}", "--since", "2026-01-31", "--out", "{}/new"], "choose from the ledger"),
        (["--cohort", "{}", "--week", "2", "--out", "{}/new"], "choose from the ledger"),
        (["--since", "31 January", "--out", "{}/new"], "does not match the format"),
    ],
)
def test_unclear_commands(
    predictor: ResponsePredictor,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    words: str,
) -> None:
    predictor.save(tmp_path)
    given = [option.format(tmp_path) for option in options]
    assert run(["update", str(tmp_path), *given]) == 2
    assert words in capsys.readouterr().err
