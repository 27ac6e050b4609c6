"""One patient's scans at a time: read, accepted or refused, and averaged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from statistics import fmean

import numpy as np

from data_schemas.connectome import Connectome, ConnectomeQuality
from data_schemas.errors import DataError
from data_schemas.patient import Patient
from features.atlas import NETWORKS
from features.connectivity import network_profile
from features.nodes import NodeTable
from training.cohort.records import CohortMember
from training.cohort.scans import read_scan, relative_name, scan_refusal
from training.learning.rows import FloatArray
from training.small_cells import SMALLEST_CELL
from training.summary import ConnectomeCounts


class PatientScans:
    """Reads one patient's scans at a time and counts what became of them.

    Parameters
    ----------
    quality : ConnectomeQuality
        What a scan must reach to be used.
    folder : Path
        The cohort's data folder, relative to which errors name files.
    nodes : NodeTable, optional
        Of the scans' atlas, where the label grammar does not know it.
    """

    def __init__(
        self, quality: ConnectomeQuality, folder: Path, nodes: NodeTable | None = None
    ) -> None:
        self.quality = quality
        self.folder = folder
        self.nodes = nodes
        self._refused: Counter[str] = Counter()
        self._accepted = 0
        self._regressed: set[bool] = set()
        self._motion_mm: list[float] = []
        self.profiles: list[FloatArray] = []  # of the target, one a call of `attach` or `add`

    def attach(self, member: CohortMember) -> Patient:
        """Return the patient with the mean of his accepted scans, if he has any."""
        accepted = [scan for scan in map(self._read, member.connectome_files) if scan is not None]
        self._motion_mm.append(mean_motion_mm(accepted))
        connectome = mean_connectome(accepted) if accepted else None
        self.profiles.append(np.array(list(network_profile(connectome, self.nodes).values())))
        if connectome is None:
            return member.patient
        return member.patient.model_copy(update={"connectome": connectome})

    def counts(self) -> ConnectomeCounts:
        """Return how many scans were read, accepted and refused."""
        refused = dict(sorted(self._refused.items()))
        return ConnectomeCounts(
            n_read=self._accepted + sum(refused.values()),
            n_accepted=self._accepted,
            refused=refused,
            target_profile=self._target_profile(),
        )

    def regressed(self) -> bool | None:
        """Return whether the global signal was regressed out of the accepted scans."""
        return next(iter(self._regressed), None)

    def motion_mm(self) -> FloatArray:
        """Return the mean framewise displacement of each patient, in the order of the calls.

        NaN where it is not known of any accepted scan.
        """
        return np.array(self._motion_mm, dtype=np.float64)

    def add(
        self,
        *,
        n_accepted: int,
        refused: Mapping[str, int],
        regressed: bool | None,
        motion_mm: float,
        profile: FloatArray,
        first_file: Path,
    ) -> None:
        """Count one patient's scans that were read elsewhere, as `attach` would have.

        Raises
        ------
        DataError
            When they differ from earlier ones in global signal regression.
        """
        self._accepted += n_accepted
        self._refused.update(refused)
        self._motion_mm.append(motion_mm)
        self.profiles.append(profile)
        self._note_processing(regressed, first_file)

    def _target_profile(self) -> dict[str, float]:
        known = [profile for profile in self.profiles if not np.isnan(profile).any()]
        if len(known) < SMALLEST_CELL:
            return {}
        return dict(zip(NETWORKS, np.mean(known, axis=0).tolist(), strict=True))

    def _note_processing(self, regressed: bool | None, path: Path) -> None:
        if regressed is not None:
            self._regressed.add(regressed)
        if len(self._regressed) > 1:
            name = relative_name(path, self.folder)
            raise DataError(
                "Scans with and without global signal regression are mixed, first seen at "
                f"{name}; the sign of an anticorrelation depends on it. "
                "Process all scans alike, or leave one kind out."
            )

    def _read(self, path: Path) -> Connectome | None:
        scan = read_scan(path, self.folder)
        if reason := scan_refusal(scan, self.quality, self.nodes):
            self._refused[reason] += 1
            return None
        self._accepted += 1
        self._note_processing(scan.global_signal_regressed, path)
        return scan


def mean_motion_mm(scans: Sequence[Connectome]) -> float:
    """Return the mean framewise displacement over the scans of which it is known, or NaN."""
    known = [each for scan in scans if (each := scan.mean_framewise_displacement_mm) is not None]
    return fmean(known) if known else nan


def mean_connectome(scans: Sequence[Connectome]) -> Connectome:
    """Return one connectome: the runs of one patient averaged as Fisher z.

    Raises
    ------
    DataError
        When the runs do not share their parcels.
    """
    if len(scans) == 1:
        return scans[0]
    first = scans[0]
    if any(scan.labels != first.labels for scan in scans):
        raise DataError("The runs of one patient are on different parcels; use one atlas.")
    limit = 1 - 1e-6
    z = np.arctanh(np.clip([scan.upper_triangle for scan in scans], -limit, limit))
    return first.model_copy(update={"upper_triangle": np.tanh(np.mean(z, axis=0))})
