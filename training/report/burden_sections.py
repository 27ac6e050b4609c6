"""The report's section on sessions and cost for each responder, made from `summary.json` alone."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any, Final

import pandas as pd

from training.burden.measures import (
    MINUS_LOT,
    MINUS_TREAT_ALL,
    SHARE_CHANGED,
    SHARE_OF_RESPONDERS,
)
from training.burden.strategies import COST, SESSIONS
from training.burden.summary import BurdenFigure, BurdenRow, BurdenSummary, StrategyBurden
from training.report.burden_plots import RESCORING, SEQUENCING, plot_burden
from training.report.tables import (
    Cell,
    Estimate,
    Picture,
    Table,
    estimate_cell,
    picture,
    table,
)
from training.report.words import confidence_percent
from training.summary import RunSummary

_RESPONDERS: Final = {"response": "responders", "remission": "remitters"}
_NAMES: Final = {SEQUENCING: "Sequencing", RESCORING: "Re-scoring"}
_CHANGED: Final = {SEQUENCING: "Another step first", RESCORING: "Would stop"}
_HARMED: Final = {SEQUENCING: "who would wait", RESCORING: "who would have been lost"}
_WHOLE_FROM: Final = 100  # of a cost: below it, hundredths are shown


def burden_section(summary: RunSummary) -> dict[str, Any] | None:
    """Return what the section says; None for a run that was made before there was one."""
    burden = summary.burden
    if burden is None:
        return None
    responders = _RESPONDERS[summary.outcome.kind]
    return {
        "summary": burden,
        "responders": responders,
        "treatment": "TMS" if summary.population.is_tms else "the treatment",
        "treat_all": _estimate(burden, burden.treat_all[SESSIONS]).text(1)
        if burden.treat_all else "",
        "picture": _picture(summary, burden),
        "sequencing": _strategy_table(summary, burden, SEQUENCING),
        "rescoring": _strategy_table(summary, burden, RESCORING),
        "sequencing_words": _words(burden, SEQUENCING, responders),
        "rescoring_words": _words(burden, RESCORING, responders),
        "costs": _costs_table(summary, burden),
    }  # fmt: skip


def _estimate(burden: BurdenSummary, figure: BurdenFigure, scale: float = 1) -> Estimate:
    lower, upper = (nan if end is None else scale * end for end in (figure.lower, figure.upper))
    return Estimate(scale * figure.estimate, lower, upper, burden.n_patients)


def _cell(burden: BurdenSummary, row: BurdenRow, name: str, digits: int, sign: str = "") -> Cell:
    return estimate_cell(_estimate(burden, row.figures[name]), digits, sign=sign)


def _share_cell(burden: BurdenSummary, row: BurdenRow, name: str, count: float, n: int) -> Cell:
    """Return a number of patients above their share and its interval, in percent."""
    share = _estimate(burden, row.figures[name], 100)
    return Cell(f"{count:.0f} of {n}", f"{share.text(0)} %")


def _harm(burden: BurdenSummary, row: BurdenRow) -> Cell:
    return _share_cell(
        burden, row, SHARE_OF_RESPONDERS, row.n_responders_changed, burden.n_responders
    )


def _strategies(burden: BurdenSummary) -> dict[str, StrategyBurden]:
    return {SEQUENCING: burden.sequencing, RESCORING: burden.rescoring}


def _changing(strategy: StrategyBurden) -> list[BurdenRow]:
    """Return the rows at which anybody is changed; the others are treat all."""
    return [row for row in strategy.rows if row.n_changed > 0]


def _strategy_table(summary: RunSummary, burden: BurdenSummary, name: str) -> Table | None:
    strategy = _strategies(burden)[name]
    rows = _changing(strategy)
    if not rows:
        return None
    responders = _RESPONDERS[summary.outcome.kind]
    header = [
        "Threshold", _CHANGED[name], f"{responders.capitalize()} {_HARMED[name]}",
        f"Sessions for each {responders[:-1]}", "Minus treat all",
    ]  # fmt: skip
    everyone = estimate_cell(_estimate(burden, burden.treat_all[SESSIONS]), 1)
    cells = [
        [
            _percent(row.threshold),
            _share_cell(burden, row, SHARE_CHANGED, row.n_changed, burden.n_patients),
            _harm(burden, row),
            _cell(burden, row, SESSIONS, 1),
            _cell(burden, row, SESSIONS + MINUS_TREAT_ALL, 1, "+"),
        ]
        for row in rows
    ]
    when = "before treatment"
    if strategy.sessions_by_then:
        when = f"after {strategy.sessions_by_then} sessions"
    return table(
        f"By the chance {when}, with {confidence_percent(summary)} intervals",
        header,
        [["Treat all", "nobody", "none", everyone, "0"], *cells],
    )


def _costs_table(summary: RunSummary, burden: BurdenSummary) -> Table | None:
    if burden.costs is None or not burden.treat_all:
        return None
    one = _RESPONDERS[summary.outcome.kind][:-1]
    everyone = _estimate(burden, burden.treat_all[COST])
    digits = 0 if everyone.value >= _WHOLE_FROM else 2
    rows: list[list[object]] = [["Treat all", "none", estimate_cell(everyone, digits), "0", "0"]]
    for name, strategy in _strategies(burden).items():
        rows += [
            [
                f"{_NAMES[name]} at {_percent(row.threshold)}",
                _harm(burden, row),
                _cell(burden, row, COST, digits),
                _cell(burden, row, COST + MINUS_TREAT_ALL, digits, "+"),
                _cell(burden, row, COST + MINUS_LOT, digits, "+"),
            ]
            for row in _changing(strategy)
        ]
    header = [
        "Strategy and threshold", f"{one.capitalize()}s who wait or are lost",
        f"Cost for each {one}", "Minus treat all", "Minus as many by lot",
    ]  # fmt: skip
    caption = (
        f"Cost for each {one} over both steps, in {burden.costs.currency}, with "
        f"{confidence_percent(summary)} intervals"
    )
    return table(caption, header, rows)


def _words(burden: BurdenSummary, name: str, responders: str) -> str:
    """Say why there is no table, or what it shows and which thresholds are not in it."""
    strategy = _strategies(burden)[name]
    if strategy.why_absent:
        return strategy.why_absent
    rows = _changing(strategy)
    told = [f"It is {_verdict(rows, responders[:-1])}."] if rows else []
    if fewer := _differing(rows, -1):
        told.append(f"Where it takes fewer, {responders} {_HARMED[name]}: {_span(fewer)}.")
    nobody = [row.threshold for row in strategy.rows if row.n_changed == 0]
    if nobody:
        told.append(f"Nobody had a chance below {_percent(max(nobody))}: there it is treat all.")
    if strategy.withheld:
        told.append(
            f"Withheld: {_listed(strategy.withheld)}, where fewer than five patients of one of the "
            "two outcomes would be on one side."
        )
    return " ".join(told)


def _verdict(rows: Sequence[BurdenRow], one: str) -> str:
    """Say at which thresholds a strategy is shown to differ from treat all."""
    fewer, more = ([row.threshold for row in _differing(rows, sign)] for sign in (-1, 1))
    verdict = (
        f"shown to take fewer sessions for each {one} than treat all at {_listed(fewer)}"
        if fewer
        else f"not shown to take fewer sessions for each {one} than treat all at any threshold"
    )
    return f"{verdict}, and shown to take more at {_listed(more)}" if more else verdict


def _differing(rows: Sequence[BurdenRow], sign: int) -> list[BurdenRow]:
    """Return the rows whose difference to treat all is shown: its interval, as it is printed."""
    return [
        row
        for row in rows
        if (found := row.figures[SESSIONS + MINUS_TREAT_ALL]).lower is not None
        and found.upper is not None
        and min(round(sign * found.lower, 1), round(sign * found.upper, 1)) > 0
    ]


def _listed(thresholds: Sequence[float]) -> str:
    told = [_percent(threshold) for threshold in thresholds]
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def _percent(threshold: float) -> str:
    return f"{100 * threshold:.4g} %"


def _picture(summary: RunSummary, burden: BurdenSummary) -> Picture | None:
    responders = _RESPONDERS[summary.outcome.kind]
    strategies = _strategies(burden).items()
    shown = {name: rows for name, each in strategies if (rows := _changing(each))}
    if not shown:
        return None
    names = {**_NAMES, RESCORING: f"{_NAMES[RESCORING]} at week {burden.rescoring.week or 0:g}"}
    everyone = _estimate(burden, burden.treat_all[SESSIONS])
    svg = plot_burden(
        _frame(shown, SESSIONS),
        _frame(shown, SHARE_OF_RESPONDERS),
        {"estimate": everyone.value, "lower": everyone.lower, "upper": everyone.upper},
        labels={name: f"{called}: {responders} {_HARMED[name]}" for name, called in names.items()},
        served=summary.served_model, responders=responders,
    )  # fmt: skip
    one = responders[:-1]
    told = [
        f"{names[name]} is {_verdict(rows, one)}; {responders} {_HARMED[name]}: {_span(rows)}."
        for name, rows in shown.items()
    ]
    return picture(
        svg,
        f"Sessions for each {one} by threshold, and at whose cost. Treat all: {everyone.text(1)} "
        f"sessions. {' '.join(told)}",
        f"Above: sessions for each {one}; the grey band is treat all. Below: at whose cost. "
        f"Vertical lines are {confidence_percent(summary)} intervals.",
    )


def _frame(shown: Mapping[str, Sequence[BurdenRow]], name: str) -> pd.DataFrame:
    rows = [
        {"strategy": strategy, "threshold": row.threshold, **row.figures[name].model_dump()}
        for strategy, rows in shown.items()
        for row in rows
    ]
    return pd.DataFrame(rows).astype({"lower": float, "upper": float})


def _span(rows: Sequence[BurdenRow]) -> str:
    """Say which share of the responders is changed at the lowest and the highest threshold."""
    ends = rows[:1] if len(rows) == 1 else (rows[0], rows[-1])
    return " to ".join(
        f"{100 * row.figures[SHARE_OF_RESPONDERS].estimate:.0f} % at a threshold of "
        f"{_percent(row.threshold)}"
        for row in ends
    )
