"""Who is in which level of a subgroup."""

from dataclasses import replace

import numpy as np
import pytest
from cohort_tables import simulated_table

from data_schemas.errors import ConfigurationError
from training.dataset import TrainingTable
from training.learning.rows import FloatArray
from training.performance.subgroup_levels import UNKNOWN, Subgroup, subgroups


def with_columns(**values: list[float]) -> TrainingTable:
    """Return twelve patients with these values of named features."""
    table = simulated_table(12, 2)
    X = np.full((12, len(table.features)), np.nan)
    names = [feature.name for feature in table.features]
    for name, column in values.items():
        X[: len(column), names.index(name)] = column
    return replace(table, X=X)


def only(found: tuple[Subgroup, ...]) -> Subgroup:
    """Return the one subgroup."""
    assert len(found) == 1
    return found[0]


def test_sex_has_a_level_for_those_of_whom_it_is_unknown() -> None:
    sex = only(subgroups(with_columns(female=[1, 0, 0, 1])))
    assert sex.name == "sex"
    assert sex.levels == ("female", "not female")
    expected = ["female", "not female", "not female", "female", *[UNKNOWN] * 8]
    assert sex.level.tolist() == expected


def test_age_bands_begin_at_forty_and_sixty() -> None:
    age = only(subgroups(with_columns(age_years=[18, 39.9, 40, 59.9, 60, 90])))
    bands = ["under 40"] * 2 + ["40 to 59"] * 2 + ["60 and over"] * 2
    assert age.level.tolist()[:6] == bands
    assert age.level.tolist()[6:] == [UNKNOWN] * 6


def test_anxious_is_a_gad7_of_ten_or_more_and_of_no_other_instrument() -> None:
    totals = np.arange(22)
    shares: FloatArray = totals / 21
    table = with_columns(anxiety_severity=[float(share) for share in shares[4:16]])
    anxious = only(subgroups(table))
    assert anxious.level.tolist() == ["not anxious"] * 6 + ["anxious"] * 6
    assert subgroups(replace(table, anxiety_instrument="HAM-A")) == ()


def test_named_columns_are_parted_by_value_at_the_median_or_where_the_user_says() -> None:
    table = with_columns(benzodiazepine=[1, 0, 1], failed_trials=[1, 2, 3, 4, 5])
    named = ("benzodiazepine", "failed_trials", "benzodiazepine")
    yes_no, trials = subgroups(table, named)
    assert yes_no.level.tolist()[:4] == ["yes", "no", "yes", UNKNOWN]
    low, high = "up to the median", "above the median"
    assert trials.level.tolist()[:6] == [low, low, low, high, high, UNKNOWN]
    cut = only(subgroups(table, ("failed_trials",), {"failed_trials": (2, 4)}))
    middle, high = "2 to under 4", "4 and over"
    assert cut.levels == ("under 2", middle, high)
    assert cut.level.tolist()[:5] == ["under 2", middle, middle, high, high]
    # Who cuts a column names it.
    assert only(subgroups(table, cuts={"failed_trials": (2, 4)})).levels == cut.levels


def test_the_bands_of_age_may_be_cut_otherwise() -> None:
    table = with_columns(age_years=[20, 30, 49.9, 50, 80])
    for columns in ((), ("age_years",)):
        age = only(subgroups(table, columns, {"age_years": (30, 50)}))
        assert age.name == "age"
        middle, high = "30 to under 50", "50 and over"
        assert age.level.tolist()[:5] == ["under 30", middle, middle, high, high], columns


def test_what_parts_nobody_is_left_out() -> None:
    assert subgroups(with_columns(female=[1, 1, 1], age_years=[50, 51])) == ()


def test_a_name_that_is_no_feature_and_cuts_that_do_not_ascend_are_refused() -> None:
    table = with_columns(failed_trials=[1, 2, 3])
    with pytest.raises(ConfigurationError, match=r"failed_trial, which .* 'failed_trials'"):
        subgroups(table, ("failed_trial",))
    with pytest.raises(ConfigurationError, match="do not ascend"):
        subgroups(table, ("failed_trials",), {"failed_trials": (3, 2)})
    with pytest.raises(ConfigurationError, match=r"failed_trial, which .* 'failed_trials'"):
        subgroups(table, cuts={"failed_trial": (2, 3)})
