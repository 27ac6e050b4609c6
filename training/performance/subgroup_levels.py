"""Which patients a subgroup is made of: sex, age, anxiety, and any column that the user names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from data_schemas.errors import ConfigurationError, did_you_mean
from data_schemas.instruments import get_instrument
from features.table import YES_NO, Feature
from training.learning.rows import FloatArray, SiteArray

UNKNOWN: Final = "unknown"
_AGE: Final = "age_years"
# Trials of TMS in late life take patients from 60 on (Blumberger et al. 2022, JAMA Psychiatry
# 79:1065, doi:10.1001/jamapsychiatry.2022.2862); 40 parts the others about evenly.
AGE_BANDS_YEARS: Final = (40.0, 60.0)
# "Anxious depression" on the GAD-7, the cutoff of its authors (Spitzer et al. 2006, Archives of
# Internal Medicine 166:1092, doi:10.1001/archinte.166.10.1092).
ANXIOUS_FROM_GAD7: Final = 10


@dataclass(frozen=True)
class Subgroup:
    """One way to part the patients.

    Attributes
    ----------
    name : str
        As in the table: `subgroup=NAME:LEVEL`.
    label : str
        In plain language.
    levels : tuple of str
        In order, without `unknown`.
    level : ndarray of str, shape (n,)
        Of each patient; `unknown` where the value is.
    """

    name: str
    label: str
    levels: tuple[str, ...]
    level: SiteArray


class FeatureColumns(Protocol):
    """What subgroups are made from: a table of features, such as a `TrainingTable`."""

    @property
    def features(self) -> Sequence[Feature]:
        """The columns, length p."""

    @property
    def X(self) -> FloatArray:  # noqa: N802
        """Their values, shape (n, p); NaN where unknown."""

    @property
    def anxiety_instrument(self) -> str | None:
        """The instrument of `anxiety_severity`, where it is one."""


def subgroups(
    table: FeatureColumns,
    columns: Sequence[str] = (),
    cuts: Mapping[str, Sequence[float]] | None = None,
) -> tuple[Subgroup, ...]:
    """Return the subgroups of a cohort's patients that have two levels or more.

    Sex (female or not), age (under 40, 40 to 59, 60 and over), anxious (GAD-7 of 10 or more, where
    anxiety was rated on the GAD-7), and the columns that the user names or cuts: one with two
    values by value, others at the given cuts or, without them, at their median. Cuts of `age_years`
    replace the three bands.

    Parameters
    ----------
    table : FeatureColumns
        The patients' features.
    columns : sequence of str
        Names of features.
    cuts : mapping of str to sequence of float, optional
        Lower ends of the levels after the first, ascending, in the unit of the feature.

    Raises
    ------
    ConfigurationError
        When the cohort has no such feature, or cuts do not ascend.
    """
    places = {feature.name: number for number, feature in enumerate(table.features)}
    cuts = dict(cuts or {})
    bands = cuts.pop(_AGE, None) if _AGE in places else None
    found = [_sex(table, places), _age(table, places, bands), _anxious(table, places)]
    for name in dict.fromkeys([*columns, *cuts]):
        if name == _AGE and bands is not None:
            continue
        if name not in places:
            raise ConfigurationError(
                f"[subgroups] names the column {name}, which is not a feature of this cohort."
                + did_you_mean(name, places)
            )
        feature, values = table.features[places[name]], table.X[:, places[name]]
        found.append(_named(feature, values, cuts.get(name)))
    return tuple(each for each in found if each is not None and len(_present(each)) > 1)


def _present(subgroup: Subgroup) -> set[str]:
    return set(subgroup.level.tolist()) & set(subgroup.levels)


def _sex(table: FeatureColumns, places: Mapping[str, int]) -> Subgroup | None:
    if "female" not in places:
        return None
    return _by_value("sex", "Sex", table.X[:, places["female"]], {1.0: "female", 0.0: "not female"})


def _age(
    table: FeatureColumns, places: Mapping[str, int], cuts: Sequence[float] | None
) -> Subgroup | None:
    if _AGE not in places:
        return None
    years, label = table.X[:, places[_AGE]], "Age in years"
    if cuts is not None:
        return _by_cuts("age", label, years, cuts, _levels_between(_AGE, cuts))
    levels = ("under 40", "40 to 59", "60 and over")
    return _by_cuts("age", label, years, AGE_BANDS_YEARS, levels)


def _anxious(table: FeatureColumns, places: Mapping[str, int]) -> Subgroup | None:
    if "anxiety_severity" not in places or table.anxiety_instrument != "GAD-7":
        return None
    scale = get_instrument("GAD-7")
    total = table.X[:, places["anxiety_severity"]] * (scale.maximum - scale.minimum) + scale.minimum
    # Half a point below: a share of the range, times the range, may fall short by rounding.
    cut = (ANXIOUS_FROM_GAD7 - 0.5,)
    return _by_cuts("anxious", "GAD-7 of 10 or more", total, cut, ("not anxious", "anxious"))


def _named(feature: Feature, values: FloatArray, cuts: Sequence[float] | None) -> Subgroup:
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    if cuts is not None:
        levels = _levels_between(feature.name, cuts)
        return _by_cuts(feature.name, feature.label, values, cuts, levels)
    if len(distinct) > 2:
        # The median may be one patient's value, so no level tells it.
        above = (float(np.nextafter(np.median(known), np.inf)),)
        levels = ("up to the median", "above the median")
        return _by_cuts(feature.name, feature.label, values, above, levels)
    names = {1.0: "yes", 0.0: "no"} if feature.unit == YES_NO else {}
    labels = {float(value): names.get(float(value), f"{value:g}") for value in distinct}
    return _by_value(feature.name, feature.label, values, labels)


def _levels_between(name: str, cuts: Sequence[float]) -> tuple[str, ...]:
    if not cuts or list(cuts) != sorted(set(cuts)):
        raise ConfigurationError(
            f"[subgroups] gives cuts of {name} that do not ascend; give one or more, each once, "
            "the lowest first."
        )
    between = [f"{low:g} to under {high:g}" for low, high in pairwise(cuts)]
    return (f"under {cuts[0]:g}", *between, f"{cuts[-1]:g} and over")


def _by_value(name: str, label: str, values: FloatArray, labels: Mapping[float, str]) -> Subgroup:
    level = [labels.get(float(value), UNKNOWN) for value in values]
    return Subgroup(name, label, tuple(labels.values()), np.array(level, dtype=np.str_))


def _by_cuts(
    name: str, label: str, values: FloatArray, cuts: Sequence[float], levels: tuple[str, ...]
) -> Subgroup:
    level = np.array(levels)[np.searchsorted(np.array(cuts), values, side="right")]
    return Subgroup(name, label, levels, np.where(np.isnan(values), UNKNOWN, level))
