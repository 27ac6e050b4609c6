"""The report's section on scans: how many were read, why some were refused, and who moved."""

import pandas as pd

from features.atlas import NETWORKS
from training.report.plots import plot_motion
from training.report.tables import Picture, Table, picture, table
from training.small_cells import may_be_shown
from training.summary import MotionGroup, RunSummary

# Of the normal distribution, for a mean of many patients.
_HALF_WIDTH_95 = 1.96


def refused_scans(summary: RunSummary) -> Table | None:
    """Return how many scans were refused, by reason."""
    refused = summary.connectomes.refused
    if not refused:
        return None
    shown = may_be_shown(list(refused.values()))
    rows = [
        [reason, str(count) if told else "withheld"]
        for (reason, count), told in zip(refused.items(), shown, strict=True)
    ]
    return table("Scans that were refused", ["Reason", "Scans"], rows)


def target_profile(summary: RunSummary) -> Table | None:
    """Return with which networks the left DLPFC is connected; None where it may not be told."""
    rows = [[NETWORKS[k], f"{z:.2f}"] for k, z in summary.connectomes.target_profile.items()]
    caption = (
        "Connectivity of the left DLPFC with each network, mean over the patients in whom it is "
        "known, as measured; the models do not use it"
    )
    return table(caption, ["Network", "Mean Fisher z"], rows) if rows else None


def motion_picture(summary: RunSummary) -> Picture | None:
    """Draw how much the patients moved in the scanner, by outcome; None where it may not be told.

    Small groups are withheld in the summary already, both or none.
    """
    groups = [group for group in summary.connectomes.motion if group.mean_mm is not None]
    if len(groups) < 2:
        return None
    rows = pd.DataFrame([_row(group) for group in groups])
    words = " ".join(
        f"{row['label']}: {row['estimate']:.3f} ({row['lower']:.3f} to {row['upper']:.3f}) mm."
        for row in rows.to_dict("records")
    )
    return picture(
        plot_motion(rows),
        f"Mean framewise displacement by outcome, with 95 % intervals. {words}",
        "How much the patients moved in the scanner, in the scans that were used. Motion alters "
        "connectivity: where the groups differ, connectivity may tell them apart by motion alone.",
        _motion_table(groups),
    )


def _label(group: MotionGroup) -> str:
    return "Reached the outcome" if group.reached else "Did not"


def _row(group: MotionGroup) -> dict[str, object]:
    assert group.mean_mm is not None  # noqa: S101  # for the type checker: such groups are left out
    assert group.sd_mm is not None  # noqa: S101
    assert group.n_patients is not None  # noqa: S101
    half = _HALF_WIDTH_95 * group.sd_mm / group.n_patients**0.5
    return {
        "label": _label(group),
        "reached": group.reached,
        "estimate": group.mean_mm,
        "lower": group.mean_mm - half,
        "upper": group.mean_mm + half,
    }


def _motion_table(groups: list[MotionGroup]) -> Table:
    rows = [
        [_label(group), str(group.n_patients), f"{group.mean_mm:.3f} ({group.sd_mm:.3f})"]
        for group in groups
    ]
    header = ["", "Patients", "Mean framewise displacement, mm (SD)"]
    return table("Motion in the scanner, by outcome", header, rows)
