from dataclasses import replace

import numpy as np
import pytest
from check_evidence import cohort, document, evidence, found, members, quiet_table

from data_schemas.cohort_tables import ParticipantFilter
from training.checks.sample_checks import too_few_sentence
from training.dataset import TrainingTable
from training.learning.splits import SINGLE_PATIENT_SITES, UNKNOWN_SITE

TABLE = quiet_table()


def at_sites(sizes: dict[str, int], events: dict[str, int] | None = None) -> TrainingTable:
    """Return patients at sites of these sizes; half of each reach the outcome, or so many."""
    site, y = [], []
    for name, size in sizes.items():
        site += [name] * size
        reached = size // 2 if events is None else events[name]
        y += [True] * reached + [False] * (size - reached)
    X = np.resize(TABLE.X, (len(y), TABLE.X.shape[1]))
    return replace(TABLE, X=X, y=np.array(y), site=np.array(site))


def test_a_cohort_below_riley_is_told_by_how_much() -> None:
    (said,) = found("TMS001", evidence())
    assert "Riley's criteria ask for" in said
    assert "Trees need more still" in said
    population = document().trained_on.model_copy(update={"n_patients": 10**6, "n_events": 10**5})
    assert found("TMS001", evidence(doc=document(trained_on=population))) == []


@pytest.mark.parametrize(
    ("sizes", "rings"),
    [
        ({"a": 60, "b": 40}, True),
        ({"a": 50, "b": 50}, False),
        ({"a": 100}, False),
        ({UNKNOWN_SITE: 60, "b": 40}, False),
        ({SINGLE_PATIENT_SITES: 60, "b": 40}, False),
    ],
)
def test_one_large_site_rings(sizes: dict[str, int], rings: bool) -> None:
    assert bool(found("TMS002", evidence(table=at_sites(sizes)))) == rings


def test_rates_that_differ_more_than_cohorts_do_ring() -> None:
    sizes = {"a": 100, "b": 100, "c": 100, "d": 100}
    apart = at_sites(sizes, {"a": 15, "b": 80, "c": 25, "d": 70})
    (said,) = found("TMS004", evidence(table=apart))
    assert "differs between 4 sites by an SD of" in said
    close = at_sites(sizes, {"a": 45, "b": 50, "c": 40, "d": 55})
    assert found("TMS004", evidence(table=close)) == []
    # Far apart, but at small sites that is what chance does.
    small = at_sites({"a": 10, "b": 10, "c": 10}, {"a": 3, "b": 6, "c": 5})
    assert found("TMS004", evidence(table=small)) == []


def test_rates_of_two_sites_are_too_few_to_say() -> None:
    two = at_sites({"a": 100, "b": 100}, {"a": 10, "b": 90})
    assert found("TMS004", evidence(table=two)) == []


def test_baselines_of_another_version_of_the_scale_ring() -> None:
    same = [*members(20), *members(20, site="site-1")]
    assert found("TMS004", evidence(of=cohort(same))) == []
    longer = [*members(20), *members(20, site="site-1", baseline=34)]
    said = found("TMS004", evidence(of=cohort(longer)))
    assert len(said) == 2
    assert "Baseline totals at site site-1 lie" in said[1]
    assert "above" in said[1]


@pytest.mark.parametrize(("n", "lost", "rings"), [(66, 0, True), (65, 0, False), (200, 1, False)])
def test_a_cohort_that_loses_nobody_rings(n: int, lost: int, rings: bool) -> None:
    assert bool(found("TMS005", evidence(of=cohort(members(n, lost=lost))))) == rings


@pytest.mark.parametrize(
    ("because", "rings"),
    [
        ("completers of all sessions", True),
        ("Completed treatment", True),
        ("completed the baseline interview", False),
        ("major depression", False),
    ],
)
def test_a_rule_that_keeps_completers_rings(because: str, rings: bool) -> None:
    rule = ParticipantFilter(column="t.x", because=because, equals="yes")
    assert bool(found("TMS005", evidence(of=cohort(members(20), keep=(rule,))))) == rings


@pytest.mark.parametrize(("lost", "rings"), [(20, False), (21, True), (60, True)])
def test_many_missing_outcomes_ring(lost: int, rings: bool) -> None:
    assert bool(found("TMS020", evidence(of=cohort(members(100, lost=lost))))) == rings


def test_sites_that_are_not_recorded_or_of_one_patient_are_said() -> None:
    for code, name in (("TMS025", UNKNOWN_SITE), ("TMS026", SINGLE_PATIENT_SITES)):
        assert found(code, evidence()) == []
        site = TABLE.site.astype("<U40")
        site[:2] = name
        assert len(found(code, evidence(table=replace(TABLE, site=site)))) == 1
    # Where no site is recorded at all, that is how the cohort is.
    nowhere = replace(TABLE, site=np.full(len(TABLE.y), UNKNOWN_SITE), site_names=())
    assert found("TMS025", evidence(table=nowhere)) == []


def test_too_few_counts_the_rarer_outcome() -> None:
    few = replace(TABLE, y=np.arange(len(TABLE.y)) < 6)
    sentence = too_few_sentence(few, 10)
    assert sentence is not None
    assert sentence.startswith("Only 6 patients are in the rarer outcome; at least 10")
    assert too_few_sentence(TABLE, 10) is None
