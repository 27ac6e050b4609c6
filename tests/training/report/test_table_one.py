from math import log, log1p
from typing import Any

import pytest

from features.table import LOG_MONTHS
from training.report.table_one import by_outcome, by_site, flow_rows
from training.summary import (
    Characteristic,
    FlowCount,
    RunSummary,
    SiteCharacteristic,
    SiteCount,
    SiteValue,
)

VALUE = SiteValue(mean=0.25, sd=None, missing_share=0.1)
HIDDEN = SiteValue(mean=None, sd=None, missing_share=None)
NOBODY = SiteValue(mean=None, sd=None, missing_share=1.0)


def summary(**known: Any) -> RunSummary:
    population = type("Population", (), {"n_patients": 120, "n_events": 50})()
    return RunSummary.model_construct(population=population, **known)


def flow(*counts: int) -> RunSummary:
    steps = (
        FlowCount(step=f"step {place}", n_patients=count) for place, count in enumerate(counts)
    )
    return summary(flow=tuple(steps))


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ((100, 80), [("step 0", 100, ""), ("step 1", 80, "20 fewer")]),
        ((100, 97, 90), [("step 0", 100, ""), ("step 1; step 2", 90, "10 fewer")]),
        ((100, 90, 87), [("step 0", 100, ""), ("step 1; step 2", 87, "13 fewer")]),
        ((100, 97), [("step 0; step 1", 97, "fewer than five fewer in all")]),
        ((100, 100), [("step 0", 100, ""), ("step 1", 100, "")]),
    ],
)
def test_no_step_of_the_flow_tells_a_few(
    counts: tuple[int, ...], shown: list[tuple[str, int, str]]
) -> None:
    assert [(row.step, row.n_patients, row.lost) for row in flow_rows(flow(*counts))] == shown


def characteristic(missing_share: float) -> Characteristic:
    return Characteristic(
        label="Age", unit="years", missing_share=missing_share, mean_with_outcome=50.0,
        sd_with_outcome=9.0, mean_without_outcome=46.0, sd_without_outcome=11.0,
        standardised_difference=0.4, difference_lower=0.1, difference_upper=0.7,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("share", "told"), [(0.0, "0 %"), (3 / 120, "fewer than 5"), (0.1, "10 %")]
)
def test_a_difference_stands_with_its_interval_and_few_unknown_are_not_counted(
    share: float, told: str
) -> None:
    (shown,) = by_outcome(summary(characteristics=(characteristic(share),)))
    cells = shown.rows[0]
    assert [cell.text for cell in cells] == ["Age", "50.0 (9.0)", "46.0 (11.0)", "+0.40", told]
    assert cells[3].detail == "+0.10 to +0.70"


@pytest.mark.parametrize(
    ("unit", "mean", "sd", "told", "told_unit"),
    [
        (LOG_MONTHS, log1p(24), log(2), "24 (11 to 49)", "months: geometric mean"),
        (LOG_MONTHS, 0.1, 0.4, "0 (0 to 1)", "months: geometric mean"),
        ("share of the HDRS-17 range", 0.5, 0.1, "26.0 (5.2)", "points on the HDRS-17"),
        ("share of all visits", 0.5, 0.1, "0.50 (0.10)", "share of all visits"),
    ],
)
def test_a_reader_gets_months_and_points(
    unit: str, mean: float, sd: float, told: str, told_unit: str
) -> None:
    row = characteristic(0).model_copy(
        update={"unit": unit, "mean_with_outcome": mean, "sd_with_outcome": sd}
    )
    (shown,) = by_outcome(summary(characteristics=(row,)))
    assert shown.rows[0][0].detail.startswith(told_unit)
    assert shown.rows[0][1].text == told
    value = SiteValue(mean=mean, sd=sd, missing_share=0)
    site = SiteCharacteristic(label="a", unit=unit, values=(value,), largest_difference=None)
    sites = (SiteCount(site="a", n_patients=40, n_events=20),)
    (shown,) = by_site(summary(characteristics_by_site=(site,), sites=sites))
    assert shown.rows[0][1].text == told


def test_sites_stand_side_by_side() -> None:
    row = SiteCharacteristic(
        label="Takes lithium", unit="", values=(VALUE, HIDDEN, NOBODY), largest_difference=None
    )
    sites = tuple(SiteCount(site=name, n_patients=40, n_events=20) for name in "abc")
    (shown,) = by_site(summary(characteristics_by_site=(row,), sites=sites))
    assert [cell.text for cell in shown.header[:4]] == ["", "a", "b", "c"]
    cells = shown.rows[0][1:4]
    assert [cell.text for cell in cells] == ["25 %", "withheld", "unknown"]
    assert [cell.detail for cell in cells] == ["10 % unknown", "few unknown", ""]


def test_of_many_sites_the_largest_are_shown() -> None:
    sites = tuple(SiteCount(site=f"s{n}", n_patients=10 + n, n_events=5) for n in range(30))
    row = SiteCharacteristic(label="Age", unit="years", values=(VALUE,) * 30)
    (shown,) = by_site(summary(characteristics_by_site=(row,), sites=sites))
    assert [cell.text for cell in shown.header[1:-1]] == [f"s{n}" for n in range(18, 30)]
