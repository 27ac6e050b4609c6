"""Connectivity features that were computed elsewhere: which names and ranges are accepted."""

from collections.abc import Iterator
from math import atanh, nan

from data_schemas.connectome_summary import ConnectomeSummary
from data_schemas.errors import FieldProblem, did_you_mean
from features.connectivity import (
    BETWEEN,
    COIL_SITE_SGACC_PROXY,
    CONNECTIVITY_NAMES,
    DLPFC_SGACC_PROXY,
    WITHIN,
)
from features.edge_means import MAXIMUM_ABSOLUTE_R

# What a mean of Fisher z can reach at most, since each |r| is bounded before it is transformed.
MAXIMUM_ABSOLUTE_Z = atanh(MAXIMUM_ABSOLUTE_R)
_HIGHEST_Z = MAXIMUM_ABSOLUTE_Z + 1e-6  # rounding
_MEANS_OF_Z = frozenset((*WITHIN, *BETWEEN, DLPFC_SGACC_PROXY, COIL_SITE_SGACC_PROXY))


def summarised_connectivity(summary: ConnectomeSummary) -> dict[str, float]:
    """Return all connectivity features from a summary, NaN where it does not tell.

    Examples
    --------
    >>> given = ConnectomeSummary(values={"fc_within_default": 0.31})
    >>> summarised_connectivity(given)["fc_within_default"]
    0.31
    """
    known = {name: nan if value is None else value for name, value in summary.values.items()}
    return {name: known.get(name, nan) for name in CONNECTIVITY_NAMES}


def summary_problems(summary: ConnectomeSummary) -> Iterator[FieldProblem]:
    """Yield what is wrong with a summary: names that are no feature, means that cannot be."""
    for name, value in summary.values.items():
        if name not in CONNECTIVITY_NAMES:
            problem = "is not a connectivity feature." + did_you_mean(name, CONNECTIVITY_NAMES)
            allowed = "the features of the group connectivity, see GET /model"
        elif value is not None and name in _MEANS_OF_Z and abs(value) > _HIGHEST_Z:
            problem = "is out of range"
            allowed = f"{-MAXIMUM_ABSOLUTE_Z:.2f} to {MAXIMUM_ABSOLUTE_Z:.2f}, a mean Fisher z"
        else:
            continue
        yield FieldProblem(f"connectome_summary.values.{name}", problem, allowed)
