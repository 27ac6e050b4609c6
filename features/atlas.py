"""Which network and hemisphere a parcel belongs to, by the label grammar of the Schaefer atlas.

Labels read `LH_Cont_PFCl_5`, or `7Networks_LH_Cont_PFCl_5` with the prefix of the original
tables: hemisphere, network, part of the network where it has parts, number. The 4S atlas (the
default of XCP-D) is the Schaefer atlas with subcortical and cerebellar parcels, such as
`LH-Pulvinar`, `RH_Amygdala` and `Cerebellar_Region1`, which belong to no network here.

Labels of the 17-network scheme, such as `17Networks_LH_ContA_PFCl_3`, name the same parcels in
another order. The 17 networks do not nest in the seven, so that nothing follows from the label
itself; the tables of 100, 200 and 400 parcels tell, by centroid, which parcel of the seven
networks each one is. At other resolutions they are refused.

Sources: Schaefer 2018, doi:10.1093/cercor/bhx179; networks: Yeo 2011,
doi:10.1152/jn.00338.2011; 4S labels: PennLINC AtlasPack.
"""

import csv
import re
import tomllib
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

Hemisphere = Literal["left", "right"]

# Schaefer's abbreviation -> name in plain language, in the atlas' own order.
NETWORKS = {
    "Vis": "visual",
    "SomMot": "somatomotor",
    "DorsAttn": "dorsal attention",
    "SalVentAttn": "salience and ventral attention",
    "Limbic": "limbic",
    "Cont": "frontoparietal control",
    "Default": "default mode",
}

# Published with 100, 200, ... 1000 cortical parcels.
RESOLUTIONS = tuple(range(100, 1001, 100))
# The only resolution at which the regions are defined.
REGION_RESOLUTION = 400
# Resolutions of which the centroids are at hand, in both schemes.
TABLES = (100, 200, 400)
# Parcels lost to a small field of view leave the resolution recognisable; a choice.
MAXIMUM_ABSENT_PARCELS = 10

_TABLES = Path(__file__).parent / "atlas_tables"
_PREFIX = "7Networks_"
_PREFIX_17 = "17Networks_"
_CORTICAL = re.compile(rf"(?:{_PREFIX})?([LR]H_({'|'.join(NETWORKS)})_(?:[A-Za-z0-9]+_)?[0-9]+)")
_SEVENTEEN_NETWORKS = re.compile(
    rf"(?:{_PREFIX_17})?[LR]H_"
    r"(?:Vis(?:Cent|Peri)|(?:SomMot|DorsAttn|SalVentAttn|Limbic|Cont|Default)[ABC]|TempPar)_.*"
)


class Parcel(NamedTuple):
    """One parcel, as its label tells.

    Attributes
    ----------
    name : str
        The label without the prefix of the original tables.
    network : str or None
        One of `NETWORKS`; None for subcortical, cerebellar and unknown parcels.
    hemisphere : {"left", "right"} or None
    """

    name: str
    network: str | None
    hemisphere: Hemisphere | None


class Region(NamedTuple):
    """A named region, as parcels of the 400-parcel atlas.

    Attributes
    ----------
    name, full_name : str
    parcels : tuple of str
        Labels without prefix.
    reference_mni_mm : tuple of float
        The coordinate (x, y, z) to which these parcels are the nearest.
    coordinate_confirmed : bool
        Whether the coordinate has been checked against the publication. Where not, it is a
        working value, and no report may quote it.
    source : str
        Publication, and how far away the parcels are.
    """

    name: str
    full_name: str
    parcels: tuple[str, ...]
    reference_mni_mm: tuple[float, ...]
    coordinate_confirmed: bool
    source: str


def parse_label(label: str) -> Parcel:
    """Return what a parcel label says.

    Examples
    --------
    >>> parse_label("7Networks_LH_Cont_PFCl_5")
    Parcel(name='LH_Cont_PFCl_5', network='Cont', hemisphere='left')
    >>> parse_label("RH_Amygdala")
    Parcel(name='RH_Amygdala', network=None, hemisphere='right')
    """
    hemispheres: dict[str, Hemisphere] = {"LH": "left", "RH": "right"}
    match = _CORTICAL.fullmatch(label)
    if match is None:
        side = hemispheres.get(label[:2]) if label[2:3] in {"_", "-"} else None
        return Parcel(label, None, side)
    return Parcel(match[1], match[2], hemispheres[match[1][:2]])


def parse_labels(labels: Sequence[str]) -> tuple[Parcel, ...]:
    """Return what the labels of one connectome say, those of the 17-network scheme included.

    Parameters
    ----------
    labels : sequence of str
        All labels of the connectome, in any order: the same 17-network label means another
        parcel at each resolution, which only all of them tell.

    Returns
    -------
    tuple of Parcel
        In the order of the labels; a parcel of the 17-network scheme has its name and network in
        the seven-network one, or no network where no table has it.
    """
    return _parsed(tuple(labels))


# A cohort is on one atlas, and so is most of what a server is asked.
@lru_cache(maxsize=8)
def _parsed(labels: tuple[str, ...]) -> tuple[Parcel, ...]:
    parcels = tuple(map(parse_label, labels))
    names = {label.removeprefix(_PREFIX_17) for label in labels if _is_of_seventeen(label)}
    resolution = _resolution(len(names))
    if any(parcel.network for parcel in parcels) or resolution not in TABLES:
        return parcels
    seven = _names_in_seven_networks(resolution)
    if not names <= seven.keys():
        return parcels
    return tuple(
        parse_label(seven[label.removeprefix(_PREFIX_17)]) if _is_of_seventeen(label) else parcel
        for label, parcel in zip(labels, parcels, strict=True)
    )


def _is_of_seventeen(label: str) -> bool:
    return _SEVENTEEN_NETWORKS.fullmatch(label) is not None


def schaefer_resolution(labels: Sequence[str]) -> int | None:
    """Return the number of cortical parcels of the atlas these labels come from.

    Parameters
    ----------
    labels : sequence of str
        Labels of one connectome, in any order; parcels outside the cortex are not counted.

    Returns
    -------
    int or None
        100, 200, ... 1000, where at most ten cortical parcels are absent; None otherwise.
    """
    return _resolution(len({parcel.name for parcel in parse_labels(labels) if parcel.network}))


def _resolution(n_cortical: int) -> int | None:
    for resolution in RESOLUTIONS:
        if 0 <= resolution - n_cortical <= MAXIMUM_ABSENT_PARCELS:
            return resolution
    return None


def network_problem(labels: Sequence[str]) -> str | None:
    """Return why labels give no network features, as a sentence, or None when they do."""
    if any(parcel.network for parcel in parse_labels(labels)):
        return None
    if any(map(_is_of_seventeen, labels)):
        return (
            "The labels are those of the 17-network Schaefer atlas, whose networks do not nest in "
            f"the seven used here; they are understood at {TABLES[0]}, {TABLES[1]} and "
            f"{TABLES[2]} parcels only, of which at most {MAXIMUM_ABSENT_PARCELS} may be absent. "
            "Use the 7-network labels of the same parcels."
        )
    return (
        "The labels are not those of the Schaefer or 4S atlas with seven networks, such as "
        "LH_Default_PFC_1, so that no parcel can be given a network. For another atlas give a "
        "table of its nodes: node_table under [connectome] in cohort.toml."
    )


@cache
def regions() -> dict[str, Region]:
    """Return the regions of `atlas_tables/regions.toml`, by name."""
    tables = tomllib.loads((_TABLES / "regions.toml").read_text(encoding="utf-8"))
    return {
        name: Region(
            name=name,
            full_name=table["full_name"],
            parcels=tuple(table["parcels"]),
            reference_mni_mm=tuple(table["reference_mni_mm"]),
            coordinate_confirmed=table["coordinate_confirmed"],
            source=table["source"],
        )
        for name, table in tables.items()
    }


@cache
def centroids_mni_mm(resolution: int = REGION_RESOLUTION) -> dict[str, tuple[float, float, float]]:
    """Return the centroid (x, y, z) of each parcel, in MNI mm, by its name without prefix.

    Parameters
    ----------
    resolution : {100, 200, 400}
    """
    table = _centroids(f"Schaefer{resolution}-7.csv")
    return {label.removeprefix(_PREFIX): centroid for label, centroid in table.items()}


@cache
def _names_in_seven_networks(resolution: int) -> dict[str, str]:
    """Return the name in the seven-network scheme of each parcel of the 17-network one.

    The centroids of a resolution are all different, and the same in both schemes.
    """
    seven = {centroid: name for name, centroid in centroids_mni_mm(resolution).items()}
    table = _centroids(f"Schaefer{resolution}-17.csv")
    return {label.removeprefix(_PREFIX_17): seven[place] for label, place in table.items()}


def _centroids(file_name: str) -> dict[str, tuple[float, float, float]]:
    with (_TABLES / file_name).open(encoding="utf-8", newline="") as file:
        return {
            row["region"]: (float(row["x"]), float(row["y"]), float(row["z"]))
            for row in csv.DictReader(file)
        }


def has_regions(labels: Sequence[str]) -> bool:
    """Return whether `regions()` may be looked up among these labels.

    Only in the 400-parcel atlas: elsewhere the same names lie in other places, and below it the
    nearest parcel is more than 20 mm from the subgenual cortex.
    """
    return table_resolution(labels) == REGION_RESOLUTION


def table_resolution(labels: Sequence[str]) -> int | None:
    """Return the resolution whose centroids are those of these labels; None where none is."""
    names = {parcel.name for parcel in parse_labels(labels) if parcel.network}
    resolution = _resolution(len(names))
    if resolution not in TABLES or not names <= centroids_mni_mm(resolution).keys():
        return None
    return resolution
