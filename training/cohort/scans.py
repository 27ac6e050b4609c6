"""The connectome files of a cohort: one of them read, and what is wrong or doubtful in all."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_schemas.connectome import Connectome, ConnectomeQuality
from data_schemas.errors import DataError
from features.nodes import NodeTable, label_refusal
from features.readers import read_connectome
from training.cohort.records import CohortIssue, CohortMember


def scan_issues(
    members: Sequence[CohortMember], folder: Path, nodes: NodeTable | None = None
) -> Iterator[CohortIssue]:
    """Yield an error for every file that cannot be read, then what training would refuse.

    Parameters
    ----------
    members : sequence of CohortMember
        Whose files are read, one in memory at a time.
    folder : Path
        The data folder; files are named relative to it.
    nodes : NodeTable, optional
        Of the scans' atlas, where the cohort gives one.
    """
    refused: Counter[str] = Counter()
    regressed: set[bool] = set()
    for path in (path for member in members for path in member.connectome_files):
        try:
            scan = read_scan(path, folder)
        except DataError as error:
            where = relative_name(path, folder)
            message = str(error).removeprefix(f"{where}: ")
            yield CohortIssue("error", "connectome_unreadable", where, message)
            continue
        if reason := scan_refusal(scan, ConnectomeQuality(), nodes):
            refused[reason] += 1
        elif scan.global_signal_regressed is not None:
            regressed.add(scan.global_signal_regressed)
    if len(regressed) > 1:
        message = "Scans with and without global signal regression are mixed; use one kind."
        yield CohortIssue("error", "connectome_mixed", "connectome", message)
    for reason, count in sorted(refused.items()):
        message = f"{count} scans are refused, by the default quality limits: {reason}."
        yield CohortIssue("warning", "connectome_refused", "connectome", message)


def scan_refusal(
    scan: Connectome, quality: ConnectomeQuality, nodes: NodeTable | None
) -> str | None:
    """Return why a scan is not learned from, as a clause, or None."""
    return quality.refusal(scan) or label_refusal(scan.labels, nodes)


def read_scan(path: Path, folder: Path) -> Connectome:
    """Read one connectome file.

    Raises
    ------
    DataError
        As `features.readers.read_connectome`, with files named relative to the data folder.
    """
    root = folder if path.is_relative_to(folder) else None
    try:
        return read_connectome(path, root=root)
    except DataError as error:
        message = error.message.replace(f"{folder}{os.sep}", "")
        raise DataError(message, error.problems) from None


def relative_name(path: Path, folder: Path) -> str:
    """Return the name of a file relative to the data folder, if it lies there."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
