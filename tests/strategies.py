"""Hypothesis strategies built from the schema's own constraints."""

from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from data_schemas.connectome import Connectome
from data_schemas.connectome_summary import ConnectomeSummary
from data_schemas.instruments import INSTRUMENTS
from data_schemas.patient import Patient
from data_schemas.patient_rules import SEVERITY_DOMAINS
from features.atlas import NETWORKS
from features.connectivity import CONNECTIVITY_NAMES

# Filled in by strategies of their own, since rules tie them to each other.
_TIED = {
    "depression_instrument", "depression_total", "depression_items", "anxiety_instrument",
    "anxiety_total", "onset_age_years", "connectome", "connectome_summary", "extra",
}  # fmt: skip
_LABELS = (
    *(f"{side}H_{network}_{number}" for side in "LR" for network in NETWORKS for number in (1, 2)),
    "LH-Pulvinar",
    "RH_Amygdala",
)


def correlations(n_edges: int) -> st.SearchStrategy[np.ndarray[Any, Any]]:
    """Return vectors of correlations, now and then exactly 1, -1 or missing."""
    edges = st.floats(-1, 1) | st.sampled_from([1.0, -1.0, np.nan])
    return hypothesis_numpy.arrays(np.float64, n_edges, elements=edges)


@st.composite
def connectomes(draw: st.DrawFn) -> Connectome:
    """Draw a small connectome with a few parcels of some networks."""
    labels = draw(st.lists(st.sampled_from(_LABELS), min_size=2, max_size=9, unique=True))
    n_edges = len(labels) * (len(labels) - 1) // 2
    return Connectome(labels=tuple(labels), upper_triangle=draw(correlations(n_edges)))


def connectome_summaries() -> st.SearchStrategy[ConnectomeSummary]:
    """Return summaries with some of the network means, now and then unknown."""
    z = st.none() | st.floats(-7, 7)
    values = st.dictionaries(st.sampled_from(CONNECTIVITY_NAMES), z, min_size=1, max_size=9)
    return st.builds(
        ConnectomeSummary,
        values=values,
        n_volumes=st.none() | st.integers(1, 1000),
        mean_framewise_displacement_mm=st.none() | st.floats(0, 2),
        mean_coverage=st.none() | st.floats(0, 1),
        missing_share=st.none() | st.floats(0, 1),
        global_signal_regressed=st.none() | st.booleans(),
    )


@st.composite
def patients(draw: st.DrawFn, *, extra_names: tuple[str, ...] = ()) -> Patient:
    """Draw a valid patient of whom anything may be unknown."""
    record: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=_free_fields()))
    record |= draw(_severity("depression", SEVERITY_DOMAINS))
    record |= draw(_severity("anxiety", ("anxiety",)))
    record["onset_age_years"] = draw(st.none() | st.floats(0, record.get("age_years") or 110))
    scan = draw(st.none() | connectomes() | connectome_summaries())
    is_summary = isinstance(scan, ConnectomeSummary)
    record["connectome_summary" if is_summary else "connectome"] = scan
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    record["extra"] = draw(st.fixed_dictionaries({}, optional=dict.fromkeys(extra_names, numbers)))
    return Patient.model_validate(record)


@cache
def _free_fields() -> dict[str, st.SearchStrategy[Any]]:
    properties = Patient.model_json_schema()["properties"]
    return {
        name: _from_schema(declaration["anyOf"][0])
        for name, declaration in properties.items()
        if name not in _TIED
    }


def _from_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "number":
            return st.floats(schema["minimum"], schema["maximum"])
        case "string":
            return st.text(min_size=schema["minLength"], max_size=schema["maxLength"])
        case "array":
            return st.tuples(*(_from_schema(item) for item in schema["prefixItems"]))
        case unknown:
            raise AssertionError(f"no strategy for a field of type {unknown}")


@cache
def _severity(prefix: str, domains: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Return nothing, an instrument, or an instrument with a total or with all its items."""
    instrument, total, items = (f"{prefix}_{part}" for part in ("instrument", "total", "items"))
    choices = [st.just(dict[str, Any]())]
    for scale in INSTRUMENTS.values():
        if scale.domain not in domains:
            continue
        name = st.just(scale.name)
        choices += [
            st.fixed_dictionaries({instrument: name}),
            st.fixed_dictionaries(
                {instrument: name, total: st.floats(scale.minimum, scale.maximum)}
            ),
        ]
        if scale.item_maxima and items in Patient.model_fields:
            scores = st.tuples(*(st.integers(0, highest) for highest in scale.item_maxima))
            choices.append(st.fixed_dictionaries({instrument: name, items: scores}))
    return st.one_of(choices)
