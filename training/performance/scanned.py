"""All models on the patients with an accepted connectome, where those that use one can be judged.

Patients without a scan reach a connectivity model with nothing that it could use, and reach the
others whole: over all patients the models are not compared on equal terms. Under
`<primary>/scanned` every model is judged on the scanned alone, by the fits that all patients
trained: `auroc`, `brier`, `o_to_e` and `calibration_slope`.

Where sites are held out, AUROC is the random-effects mean over the sites that have 5 scanned
patients of either outcome, and the average over the events of all sites where none has; the slope
has an intercept for every site. Else AUROC ranks within folds.
"""

from collections.abc import Iterator, Sequence

import pandas as pd

from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.performance import measures
from training.performance.evaluation import table_of
from training.performance.held_out import held_out_models
from training.performance.judge import Judge, Row
from training.performance.measures import Part, measure_set
from training.performance.resampling import Drawing
from training.performance.site_rows import in_sites_with_auroc, within_site_auroc
from training.performance.site_summary import has_auroc


def scanned_split(split_name: str) -> str:
    """Return the name of the split of the scanned patients in the table."""
    return f"{split_name}/scanned"


def evaluate_scanned(
    out_of_fold: pd.DataFrame,
    split_name: str,
    models: Sequence[str],
    *,
    bootstraps: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Return the main measures of models on the patients with an accepted connectome.

    There are no rows where fewer than 5 of them reached the outcome, or fewer than 5 did not.

    Parameters
    ----------
    out_of_fold, split_name, bootstraps, confidence, seed
        As in `training.performance.evaluation.evaluate`, with a column `has_connectome`.
    models : sequence of str
        Which to judge.
    """
    drawing, rows = Drawing(bootstraps, confidence, seed), list[Row]()
    chosen = out_of_fold[out_of_fold["model"].isin(list(models))]
    for model, everyone in held_out_models(chosen).items():
        held = everyone.of(everyone.has_connectome)
        if has_auroc(held.y):
            judge = Judge(model, scanned_split(split_name), held, drawing)
            rows += _main_rows(judge, by_site=split_name == LEAVE_ONE_SITE_OUT)
    return table_of(rows)


def _main_rows(judge: Judge, *, by_site: bool) -> Iterator[Row]:
    held = judge.held
    group = held.site_code if by_site else held.fold
    slope = measures.slope_within if by_site else measures.slope
    free: list[Part] = [measures.score, measures.event_ratio]
    free += [slope] if held.varies_within_folds else []
    yield from judge.free_rows(measure_set(held, group, *free))
    member = in_sites_with_auroc(held)
    if by_site and member.any():
        within = judge.part(judge.split, member)
        found = within_site_auroc(within.held, judge.confidence)
        yield within.row("auroc", found.mean, found.lower, found.upper)
    else:
        yield from judge.by_outcome_rows(measure_set(held, group, measures.ranking))
