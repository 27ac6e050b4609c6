"""Each check of other patients rings for what is planted, and is silent otherwise."""

import pytest
from check_evidence import SITE, WITHIN, Row, evidence, found

from training.checks.population_checks import POPULATION_CHECKS
from training.learning.models import LIGHTGBM_BOTH

NAN = float("nan")
AUROC: Row = (LIGHTGBM_BOTH, WITHIN, "auroc", 0.64, 0.55, 0.72, 240)


def auroc(value: float, lower: float, upper: float, split: str = WITHIN) -> Row:
    return (LIGHTGBM_BOTH, split, "auroc", value, lower, upper, 240)


@pytest.mark.parametrize("code", [check.code for check in POPULATION_CHECKS])
def test_a_quiet_run_rings_nothing(code: str) -> None:
    assert found(code, evidence()) == []


@pytest.mark.parametrize(
    ("external", "rings"),
    [((0.52, 0.45, 0.59), True), ((0.52, 0.40, 0.66), False), ((0.70, 0.6, 0.8), False)],
)
@pytest.mark.parametrize("within", ["", "/within_site"])
def test_other_patients_who_are_predicted_clearly_worse_ring(
    external: tuple[float, float, float], rings: bool, within: str
) -> None:
    for code, split in (("TMS018", "external"), ("TMS038", "temporal")):
        run = evidence(AUROC, auroc(*external, f"{split}{within}"))
        assert bool(found(code, run)) == rings
        assert found({"TMS018": "TMS038", "TMS038": "TMS018"}[code], run) == []


def subgroup(level: str, events: float | None, n: int = 100) -> list[Row]:
    split = f"{SITE}/subgroup=sex:{level}"
    rows: list[Row] = [(LIGHTGBM_BOTH, split, "brier", 0.2, 0.1, 0.3, n)]
    if events is not None:
        rows.append((LIGHTGBM_BOTH, split, "events", events, NAN, NAN, n))
    return rows


def test_small_subgroups_are_named_without_their_numbers() -> None:
    run = evidence(
        *subgroup("female", 40),
        *subgroup("male", 9),
        *subgroup("other", None, n=8),
        *subgroup("nearly all", 95),
        (LIGHTGBM_BOTH, f"{SITE}/subgroup=sex:male-female", "auroc", 0.1, -0.1, 0.3, 200),
    )
    assert found("TMS019", run) == [
        "Fewer than 10 patients of one outcome: sex:male, sex:nearly all, sex:other."
    ]
    assert found("TMS019", evidence(*subgroup("female", 40))) == []


@pytest.mark.parametrize(("p", "rings"), [(0.04, True), (0.06, False)])
@pytest.mark.parametrize("metric", ["auroc", "o_to_e"])
def test_subgroups_that_differ_ring(p: float, rings: bool, metric: str) -> None:
    row: Row = (
        LIGHTGBM_BOTH, f"{SITE}/subgroup=sex", f"{metric}_heterogeneity_p_holm", p, NAN, NAN, 240
    )  # fmt: skip
    said = found("TMS036", evidence(row))
    assert bool(said) == rings
    assert all(sentence.startswith("By sex, ") for sentence in said)


@pytest.mark.parametrize(("case", "word"), [("none_reached", "none"), ("all_reached", "all")])
@pytest.mark.parametrize("within", ["", "/within_site"])
def test_missing_outcomes_that_overturn_the_result_ring(case: str, word: str, within: str) -> None:
    split = f"{SITE}/outcomes={case}{within}"
    (said,) = found("TMS021", evidence(AUROC, auroc(0.58, 0.49, 0.66, split)))
    assert f"if {word} of the other patients" in said
    assert found("TMS021", evidence(AUROC, auroc(0.6, 0.52, 0.66, split))) == []
    # A result that chance explains anyway is not overturned.
    assert found("TMS021", evidence(auroc(0.6, 0.4, 0.7), auroc(0.58, 0.4, 0.66, split))) == []


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ((0.02, -0.05, 0.09), "+0.02 (-0.05 to +0.09)"),
        ((0.10, 0.02, 0.18), ""),
        ((0.02, NAN, NAN), "Too few are in the"),
        ((NAN, NAN, NAN), ""),
    ],
)
@pytest.mark.parametrize("arm", ["sham", "control"])
def test_patients_of_other_arms_who_are_predicted_alike_ring(
    difference: tuple[float, float, float], words: str, arm: str
) -> None:
    said = found("TMS009", evidence(auroc(*difference, f"{SITE}/arm=active-{arm}")))
    assert bool(said) == bool(words)
    assert all(words in sentence and arm in sentence for sentence in said)
