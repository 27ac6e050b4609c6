"""Patients of other arms, judged by fits that learned from the active arm alone.

A model of response to TMS should rank patients who got TMS and not those who got sham; one that
ranks both alike predicts improvement in general: natural course, placebo, regression to the mean.

Rows, for a primary split such as `leave_one_site_out`:

- `<primary>/arm=sham` (and `control`): `events`, `brier`, `o_to_e`, `calibration_intercept`,
  `calibration_slope`, `auroc`. O:E below 1 says that fewer improved than the model, which learned
  from active patients, expects: that is the effect of the treatment, and no fault of the model;
- `<primary>/arm=active`: `calibration_slope` and `auroc` of the patients who are learned from,
  taken in the same way, so that their difference is like with like;
- `<primary>/arm=active-sham`: those two, active minus sham. The arms are different people, drawn
  independently in each bootstrap.

Sham patients are judged by the fit that saw nobody of their site. AUROC compares patients whom one
fit predicted, averaged over those with the outcome.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from training.dataset import OUTCOME_UNKNOWN
from training.performance.evaluation import table_of
from training.performance.held_out import held_out_models, together
from training.performance.judge import Judge, Row
from training.performance.parts import Part, difference_rows, sample_parts
from training.performance.resampling import Drawing
from training.small_cells import SMALLEST_CELL

ACTIVE: Final = "active"
_COMPARED: Final = ("calibration_slope", "auroc")


def evaluate_arms(
    out_of_fold: pd.DataFrame,
    bystanders: pd.DataFrame,
    split_name: str,
    models: Sequence[str],
    *,
    bootstraps: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Return the rows of every other arm; none for an arm of fewer than five patients.

    Parameters
    ----------
    out_of_fold, split_name, bootstraps, confidence, seed
        As in `training.performance.evaluation.evaluate`: the patients who are learned from.
    bystanders : DataFrame
        The same columns and `group`, which is the arm; patients of unknown outcome do not count.
    models : sequence of str
        Which to judge.
    """
    chosen = list(models)
    known = bystanders[bystanders["y"].notna() & (bystanders["group"] != OUTCOME_UNKNOWN)]
    arms = {
        str(arm): held_out_models(part, both_outcomes=False)
        for arm, part in known[known["model"].isin(chosen)].groupby("group")
        if part["row"].nunique() >= SMALLEST_CELL
    }
    if not arms:
        return table_of([])
    drawing = Drawing(bootstraps, confidence, seed)
    rows: list[Row] = []
    for model, held in held_out_models(out_of_fold[out_of_fold["model"].isin(chosen)]).items():
        groups = {ACTIVE: held, **{arm: predicted[model] for arm, predicted in arms.items()}}
        judge = Judge(model, split_name, together(*groups.values()), drawing)
        rows += _arm_rows(judge, {name: group.n for name, group in groups.items()})
    return table_of(rows)


def arm_split(split_name: str, arm: str) -> str:
    """Return the name of an arm's split in the table."""
    return f"{split_name}/arm={arm}"


def _arm_rows(judge: Judge, sizes: dict[str, int]) -> Iterator[Row]:
    """Yield the rows of all arms, whose patients follow each other, the active ones first."""
    arm_of = np.repeat(list(sizes), list(sizes.values()))
    parts = [
        Part(name, judge.part(arm_split(judge.split, name), arm_of == name), arm_of == name)
        for name in sizes
    ]
    sampled = sample_parts(judge, parts, f"{judge.split}/arms")
    active = {found.metric: found for found in sampled[0] if found.metric in _COMPARED}
    yield from parts[0].judge.sampled_rows(active.values())
    for part, measured in zip(parts[1:], sampled[1:], strict=True):
        if part.is_judged:
            yield part.events_row()
        yield from part.judge.sampled_rows(measured)
        split = arm_split(judge.split, f"{ACTIVE}-{part.name}")
        for found in measured:
            if found.metric in active:
                pair = (active[found.metric], found)
                yield from difference_rows(judge, split, (parts[0], part), pair)


def arm_sentence(
    evaluation: pd.DataFrame, split_name: str, model: str, arm: str, treatment: str = "TMS"
) -> str:
    """Return what it means how well a model ranks the patients of another arm.

    Parameters
    ----------
    evaluation : DataFrame
        With the rows of `evaluate_arms`.
    treatment : str
        What the active arm got.
    """
    aurocs = evaluation[(evaluation["model"] == model) & (evaluation["metric"] == "auroc")]
    known = aurocs[aurocs["lower"].notna()]
    found = {str(row["split"]): row for row in known.to_dict("records")}
    names = [arm_split(split_name, name) for name in (ACTIVE, arm, f"{ACTIVE}-{arm}")]
    too_few = f"There are too few {arm} patients to tell response to {treatment} from improvement "
    if not set(names) <= set(found):
        return too_few + "in general."
    active, other, difference = (found[name] for name in names)
    figures = (
        f"AUROC {_interval(active, '.2f')} in {ACTIVE} and {_interval(other, '.2f')} in {arm} "
        f"patients, difference {_interval(difference, '+.2f')}"
    )
    if active["lower"] <= 0.5:
        return (
            f"The model is not shown to rank {ACTIVE} patients either, so specificity cannot be "
            f"asked ({figures})."
        )
    if difference["lower"] > 0:
        return (
            f"The model ranks {ACTIVE} patients better than {arm} patients ({figures}): what it "
            f"predicts is, at least in part, response to {treatment}."
        )
    if other["lower"] > 0.5:
        return (
            f"The model ranks {arm} patients too, and is not shown to rank {ACTIVE} ones better "
            f"({figures}): take what it predicts for improvement in general, and not for response "
            f"to {treatment}."
        )
    return f"{too_few}in general ({figures})."


def _interval(row: Mapping[Hashable, float], style: str) -> str:
    return f"{row['estimate']:{style}} ({row['lower']:{style}} to {row['upper']:{style}})"
