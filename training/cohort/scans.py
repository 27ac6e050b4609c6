"""What is wrong or doubtful about the connectome files of a cohort, all of them read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_schemas.connectome import Connectome, ConnectomeQuality
from data_schemas.errors import DataError
from features.readers import read_relmat
from training.cohort.records import CohortIssue, CohortMember


def scan_issues(members: Sequence[CohortMember], folder: Path) -> Iterator[CohortIssue]:
    """Yield an error for every file that cannot be read, then what training would refuse.

    Parameters
    ----------
    members : sequence of CohortMember
        Whose files are read, one in memory at a time.
    folder : Path
        The data folder; files are named relative to it.
    """
    refused: Counter[str] = Counter()
    regressed: set[bool] = set()
    for path in (path for member in members for path in member.connectome_files):
        scan = _read(path)
        if isinstance(scan, DataError):
            where = path.relative_to(folder).as_posix()
            message = str(scan).replace(f"{path}", path.name)
            yield CohortIssue("error", "connectome_unreadable", where, message)
        elif reason := ConnectomeQuality().refusal(scan):
            refused[reason] += 1
        elif scan.global_signal_regressed is not None:
            regressed.add(scan.global_signal_regressed)
    if len(regressed) > 1:
        message = "Scans with and without global signal regression are mixed; use one kind."
        yield CohortIssue("error", "connectome_mixed", "connectome", message)
    for reason, count in sorted(refused.items()):
        message = f"{count} scans are refused by the default quality limits: {reason}."
        yield CohortIssue("warning", "connectome_refused", "connectome", message)


def _read(path: Path) -> Connectome | DataError:
    try:
        return read_relmat(path)
    except DataError as error:
        return error
