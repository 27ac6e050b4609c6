"""Sessions and cost for each responder of a finished run, from its held-out predictions alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from training.burden.measures import strategy_measures, treat_all_measures
from training.burden.strategies import Strategy, rescoring, sequencing, sequencing_figures
from training.burden.summary import BurdenFigure, BurdenRow, BurdenSummary, StrategyBurden
from training.config import TrainingConfig
from training.course.judging import COURSE
from training.course.models import MadeCourse
from training.dataset import TrainingTable
from training.judging.judge import Judged
from training.judging.parts import draws_of
from training.learning.models import BASE_RATE
from training.learning.validation import served_model
from training.performance.held_out import held_out_models
from training.performance.resampling import Drawing, Sampled, resample
from training.small_cells import SMALLEST_CELL

_NOTHING_TO_GO_BY = "There is nothing to go by: the model gives everyone the same chance."


@dataclass(frozen=True)
class _Planned:
    """A strategy, or None with the reason, and what is said of it beside its rows."""

    about: StrategyBurden
    strategy: Strategy | None = None


def burden_of(
    table: TrainingTable, judged: Judged, course: MadeCourse | None, config: TrainingConfig
) -> BurdenSummary:
    """Return what a run says of sessions and cost for each responder.

    All strategies are measured in the same bootstrap draws of the same patients, so that their
    differences are paired. Everyone is drawn alike: the share of responders varies as it would in
    other patients of the same sites.

    Parameters
    ----------
    table : TrainingTable
        Of everyone who is learned from.
    judged : Judged
        With the held-out predictions before treatment.
    course : MadeCourse or None
        With those in the course of treatment, where a run made them.
    config : TrainingConfig
    """
    sessions = config.burden.sessions_in_a_course or median_planned(table)
    n_responders = int(np.count_nonzero(table.y))
    if not sessions:
        return BurdenSummary(
            why_absent="How many sessions a course has is neither recorded in this cohort nor "
            "given; set burden.sessions_in_a_course."
        )
    if min(n_responders, len(table.y) - n_responders) < SMALLEST_CELL:
        return BurdenSummary(
            why_absent=f"Fewer than {SMALLEST_CELL} patients are of one of the two outcomes."
        )
    planned = [
        _sequencing(table, judged, sessions, config),
        _rescoring(table, course, sessions, config),
    ]
    treat_all, first, later = _measured(table, planned, sessions, config)
    return BurdenSummary(
        sessions_in_a_course=sessions,
        as_planned=not config.burden.sessions_in_a_course,
        n_patients=len(table.y),
        n_responders=n_responders,
        costs=config.burden.costs,
        treat_all=_figures(treat_all, 0, config.validation.confidence),
        sequencing=_with_rows(planned[0], first, config.validation.confidence),
        rescoring=_with_rows(planned[1], later, config.validation.confidence),
    )


def median_planned(table: TrainingTable) -> int:
    """Return the median of the sessions planned, the lower of two; 0 where fewer than five are."""
    # Without clinical features there is no such column.
    column = [feature.name == "sessions_planned" for feature in table.features]
    planned = table.X[:, column]
    known = planned[~np.isnan(planned)]
    return int(np.quantile(known, 0.5, method="lower")) if len(known) >= SMALLEST_CELL else 0


def _sequencing(
    table: TrainingTable, judged: Judged, sessions: int, config: TrainingConfig
) -> _Planned:
    served = served_model(judged.models)
    if served == BASE_RATE:
        return _Planned(StrategyBurden(why_absent=_NOTHING_TO_GO_BY))
    held = held_out_models(judged.out_of_fold)[served]
    strategy = sequencing(
        table.y, held.probability, np.array(config.burden.thresholds),
        sessions=sessions, costs=config.burden.costs,
    )  # fmt: skip
    return _Planned(StrategyBurden(n_asked=held.n), strategy)


def _rescoring(
    table: TrainingTable, course: MadeCourse | None, sessions: int, config: TrainingConfig
) -> _Planned:
    week, costs = config.burden.rescoring_week, config.burden.costs
    if course is None:
        return _absent(
            week, "No models of the course of treatment were trained: on a cohort with scores "
            "during treatment, `train --course` makes them.",
        )  # fmt: skip
    found = [made for made in course.landmarks if made.tables.landmark.week == week]
    if not found or found[0].judged is None:
        return _absent(
            week, f"There is no model of week {week:g}; set burden.rescoring_week to one of "
            "course.landmark_weeks that has a model.",
        )  # fmt: skip
    tables, judged = found[0].tables, found[0].judged
    by_then = round(week * tables.landmark.sessions_a_week)
    if judged.served == BASE_RATE:
        return _absent(week, _NOTHING_TO_GO_BY)
    if by_then >= sessions:
        return _absent(week, f"The course of {sessions} sessions is over by then.")
    held = held_out_models(judged.out_of_fold)[COURSE]
    strategy = rescoring(
        table.y, held.probability, np.isin(np.arange(len(table.y)), tables.rows),
        np.array(config.burden.thresholds),
        sessions=sessions, sessions_by_then=by_then, costs=costs,
    )  # fmt: skip
    return _Planned(StrategyBurden(week=week, sessions_by_then=by_then, n_asked=held.n), strategy)


def _absent(week: float, why: str) -> _Planned:
    return _Planned(StrategyBurden(week=week, why_absent=why))


def _measured(
    table: TrainingTable, planned: Sequence[_Planned], sessions: int, config: TrainingConfig
) -> Iterator[list[Sampled]]:
    """Yield the figures of treat all, then those of each strategy; none of one that is absent."""
    figures = sequencing_figures(table.y, sessions, config.burden.costs)
    strategies = [each.strategy for each in planned if each.strategy is not None]
    measures = [treat_all_measures(figures), *map(strategy_measures, strategies)]
    everyone = np.zeros(len(table.y), dtype=np.int64)
    found = iter(resample(measures, everyone, Drawing(**draws_of(config)), "burden"))
    yield next(found)
    for each in planned:
        yield [] if each.strategy is None else next(found)


def _with_rows(planned: _Planned, sampled: Sequence[Sampled], confidence: float) -> StrategyBurden:
    if planned.strategy is None:
        return planned.about
    changed, y = planned.strategy.changed, planned.strategy.y
    rows, withheld = [], []
    for place, threshold in enumerate(planned.strategy.thresholds.tolist()):
        below, responders = changed[:, place].sum(), changed[y, place].sum()
        if _is_small(len(y), y.sum(), below, responders):
            withheld.append(threshold)
            continue
        rows.append(
            BurdenRow(
                threshold=threshold, n_changed=below, n_responders_changed=responders,
                figures=_figures(sampled, place, confidence),
            )
        )  # fmt: skip
    return planned.about.model_copy(update={"rows": tuple(rows), "withheld": tuple(withheld)})


def _is_small(n: int, n_responders: int, below: float, responders_below: float) -> bool:
    """Tell whether a threshold parts off fewer than five patients of one outcome; not nobody."""
    cells = [
        responders_below,
        below - responders_below,
        n_responders - responders_below,
        n - below - (n_responders - responders_below),
    ]
    return bool(below > 0 and min(cells) < SMALLEST_CELL)


def _figures(sampled: Sequence[Sampled], place: int, confidence: float) -> dict[str, BurdenFigure]:
    found = {}
    for each in sampled:
        lower, upper = (ends[place] for ends in each.interval(confidence))
        known = not (isnan(lower) or isnan(upper))
        found[each.metric] = BurdenFigure(
            estimate=each.estimate[place],
            lower=lower if known else None,
            upper=upper if known else None,
        )
    return found
