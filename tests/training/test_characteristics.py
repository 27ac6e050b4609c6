from dataclasses import replace

import numpy as np
from cohort_tables import simulated_table

from training.characteristics import characteristics, site_counts
from training.small_cells import SMALLEST_CELL

TABLE = simulated_table()


def test_a_withheld_site_cannot_be_had_from_the_total() -> None:
    site = TABLE.site.astype("<U20")
    site[0] = "lonely"
    counts = site_counts(replace(TABLE, site=site))
    assert sum(count.n_patients is None for count in counts) == 2
    assert sum(count.n_events is None for count in counts) >= 2
    lonely = next(count for count in counts if count.site == "lonely")
    assert lonely.n_patients is None


def test_events_are_withheld_where_few_did_not_reach_the_outcome() -> None:
    y = TABLE.y.copy()
    y[TABLE.site == "site-1"] = True
    counts = {count.site: count for count in site_counts(replace(TABLE, y=y))}
    assert counts["site-1"].n_events is None
    assert counts["site-1"].n_patients == int(np.count_nonzero(TABLE.site == "site-1"))


def test_large_cells_are_counted() -> None:
    for count in site_counts(TABLE):
        at_site = TABLE.site == count.site
        assert count.n_patients == np.count_nonzero(at_site)
        assert count.n_events == np.count_nonzero(TABLE.y[at_site])
        assert count.n_events is not None
        assert count.n_events >= SMALLEST_CELL


def test_means_are_those_of_the_known_values() -> None:
    age = next(row for row in characteristics(TABLE) if row.label == "Age")
    values = TABLE.X[:, 0]
    assert age.mean_with_outcome == np.mean(values[TABLE.y])
    assert age.sd_without_outcome == np.std(values[~TABLE.y], ddof=1)
    benzodiazepine = next(row for row in characteristics(TABLE) if "benzodiazepine" in row.label)
    assert benzodiazepine.sd_with_outcome is None
    assert 0.1 < benzodiazepine.missing_share < 0.3
