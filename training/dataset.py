"""From a cohort to arrays: one row of features a patient, one connectome in memory at a time."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_schemas.connectome import Connectome, ConnectomeQuality
from data_schemas.errors import DataError
from data_schemas.patient import Patient
from features.readers import read_relmat
from features.table import Feature, extra_feature, feature_table, patient_row
from training.cohort.records import Cohort, CohortMember
from training.config import TrainingConfig
from training.learning.rows import BoolArray, FloatArray, IntArray, SiteArray, TrainingRows
from training.learning.splits import UNKNOWN_SITE, pool_single_patient_sites
from training.summary import ConnectomeCounts

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainingTable:
    """The patients to learn from, as arrays.

    Attributes
    ----------
    X : ndarray of float, shape (n, p)
        Features; NaN where unknown, missing or refused.
    y : ndarray of bool, shape (n,)
        Whether each patient reached the outcome.
    site : ndarray of str, shape (n,)
        Sites, those of one patient put together.
    features : tuple of Feature, length p
        The columns of X.
    connectomes : ConnectomeCounts
        Scans read, accepted and refused.
    global_signal_regressed : bool or None
        As in the accepted scans; None where none of them says.
    depression_instrument, anxiety_instrument : str or None
        The one instrument that patients were rated on; None where nobody was.
    site_names : tuple of str
        The sites that are recorded, before those of one patient were put together, sorted.
    """

    X: FloatArray
    y: BoolArray
    site: SiteArray
    features: tuple[Feature, ...]
    connectomes: ConnectomeCounts
    global_signal_regressed: bool | None = None
    depression_instrument: str | None = None
    anxiety_instrument: str | None = None
    site_names: tuple[str, ...] = ()

    @property
    def smaller_class(self) -> int:
        """Number of patients in the rarer of the two outcomes."""
        return self.training_rows().smaller_class

    @property
    def has_connectome(self) -> BoolArray:
        """Whether any connectivity is known of each patient, shape (n,)."""
        columns = self._group_columns("connectivity")
        known: BoolArray = np.any(~np.isnan(self.X[:, columns]), axis=1)
        return known

    def columns_of(self, group: str) -> IntArray:
        """Return the columns of a group; none for connectivity that nobody has."""
        if group == "connectivity" and not self.has_connectome.any():
            return np.empty(0, dtype=np.int64)
        return self._group_columns(group)

    def training_rows(self) -> TrainingRows:
        """Return all rows and columns, as the models take them."""
        monotone = tuple(feature.monotone for feature in self.features)
        return TrainingRows(self.X, self.y, self.site, monotone)

    def _group_columns(self, group: str) -> IntArray:
        return np.array(
            [number for number, feature in enumerate(self.features) if feature.group == group],
            dtype=np.int64,
        )


def build_table(
    cohort: Cohort, config: TrainingConfig, progress: Progress | None = None
) -> TrainingTable:
    """Compute the features of every member who is learned from.

    Raises
    ------
    DataError
        When nobody is left, all outcomes are alike, a scan cannot be read, or scans with and
        without global signal regression are mixed.
    """
    members = cohort.trained_on()
    y = np.array([m.outcome is not None and m.outcome.achieved(config.outcome) for m in members])
    _check_outcomes(y, config)
    features = cohort_features(cohort, config)
    scans = _Scans(config.connectome)
    X = np.empty((len(members), len(features)))
    for number, member in enumerate(members):
        X[number] = patient_row(scans.attach(member), features)
        if progress is not None:
            progress(number + 1, len(members))
    site = np.array([m.patient.site or UNKNOWN_SITE for m in members], dtype=np.str_)
    return TrainingTable(
        X=X,
        y=y,
        site=pool_single_patient_sites(site),
        features=features,
        connectomes=scans.counts(),
        global_signal_regressed=scans.regressed(),
        depression_instrument=common_instrument(members, "depression_instrument"),
        anxiety_instrument=common_instrument(members, "anxiety_instrument"),
        site_names=tuple(name for name in np.unique(site).tolist() if name != UNKNOWN_SITE),
    )


def cohort_features(cohort: Cohort, config: TrainingConfig) -> tuple[Feature, ...]:
    """Return the features of the configured groups and those that the cohort declares."""
    return feature_table(
        config.feature_groups,
        depression_instrument=common_instrument(cohort.trained_on(), "depression_instrument"),
        anxiety_instrument=common_instrument(cohort.trained_on(), "anxiety_instrument"),
        extra=[
            extra_feature(extra.name, extra.label, extra.unit, extra.group)
            for extra in cohort.spec.extra_declarations()
        ],
    )


def common_instrument(members: Sequence[CohortMember], field: str) -> str | None:
    """Return the one instrument that members were rated on; None where nobody was.

    Raises
    ------
    DataError
        When there are several: equal totals of two scales are not equally severe.
    """
    names = sorted({name for m in members if (name := getattr(m.patient, field)) is not None})
    if len(names) > 1:
        raise DataError(
            f"Patients are rated on several instruments ({', '.join(names)}) in {field}; totals "
            "are not converted. Keep one instrument with a [[keep]] rule in cohort.toml."
        )
    return names[0] if names else None


def _check_outcomes(y: BoolArray, config: TrainingConfig) -> None:
    if len(y) == 0:
        raise DataError(
            "No patient is left to learn from: nobody has both totals of the outcome in an arm "
            "that is trained on. `tms-response check` shows where patients are lost."
        )
    reached = int(np.count_nonzero(y))
    if reached in {0, len(y)}:
        raise DataError(
            f"All {len(y)} patients are of one class: "
            f"{'every' if reached else 'no'} patient reached {config.outcome}. "
            "A model needs patients of both; check the outcome columns of cohort.toml."
        )


class _Scans:
    """Reads one patient's scans at a time and counts what became of them."""

    def __init__(self, quality: ConnectomeQuality) -> None:
        self._quality = quality
        self._refused: Counter[str] = Counter()
        self._accepted = 0
        self._regressed: set[bool] = set()

    def attach(self, member: CohortMember) -> Patient:
        """Return the patient with the mean of his accepted scans, if he has any."""
        accepted = [scan for scan in map(self._read, member.connectome_files) if scan is not None]
        if not accepted:
            return member.patient
        return member.patient.model_copy(update={"connectome": mean_connectome(accepted)})

    def counts(self) -> ConnectomeCounts:
        """Return how many scans were read, accepted and refused."""
        refused = dict(sorted(self._refused.items()))
        return ConnectomeCounts(
            n_read=self._accepted + sum(refused.values()),
            n_accepted=self._accepted,
            refused=refused,
        )

    def regressed(self) -> bool | None:
        """Return whether the global signal was regressed out of the accepted scans."""
        return next(iter(self._regressed), None)

    def _read(self, path: Path) -> Connectome | None:
        scan = read_relmat(path)
        if reason := self._quality.refusal(scan):
            self._refused[reason] += 1
            return None
        self._accepted += 1
        if scan.global_signal_regressed is not None:
            self._regressed.add(scan.global_signal_regressed)
        if len(self._regressed) > 1:
            raise DataError(
                "Scans with and without global signal regression are mixed, first seen at "
                f"{path.name}; the sign of an anticorrelation depends on it. "
                "Process all scans alike, or leave one kind out."
            )
        return scan


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
