"""Does anything of the held-out patients reach a fit? Alarms for a pipeline of your own.

A leak is most often a line that runs before the split: scaling, harmonising, selecting or tuning
on everyone. Reading the code does not show it, and performance only hints at it.

| alarm                    | what it finds                                                |
|--------------------------|--------------------------------------------------------------|
| `check_fold_isolation`   | a fit that depends on held-out features, outcomes or sites   |
| `check_patients_apart`   | patients with rows on both sides of a split                  |
| `check_duplicates_apart` | rows on both sides that are one patient under two names      |

What they cannot find is a table that was itself made from the outcome: a predictor measured after
treatment, or computed beforehand from everyone. The coded checks of a training run look for those.
`docs/leaks.md` shows which alarm rings for which leak.
"""

from training.isolation.apart import check_duplicates_apart, check_patients_apart
from training.isolation.folds import check_fold_isolation
from training.isolation.leaks import IsolationError, Leak, LeakReport

__all__ = [
    "IsolationError",
    "Leak",
    "LeakReport",
    "check_duplicates_apart",
    "check_fold_isolation",
    "check_patients_apart",
]
