"""From a cohort to arrays: one row of features a patient, one connectome in memory at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

import numpy as np

from data_schemas.errors import DataError
from data_schemas.instruments import get_instrument
from data_schemas.outcome import OutcomeKind
from features.nodes import NodeTable
from features.patient_rows import patient_row
from features.table import Feature, extra_feature, feature_table
from training.cohort.records import Cohort, CohortMember
from training.config import HarmonisationConfig, TrainingConfig
from training.extraction import extracted_rows
from training.learning.harmonising import check_harmonisation, measured_for
from training.learning.rows import (
    BoolArray,
    DateArray,
    FloatArray,
    IntArray,
    SiteArray,
    TrainingRows,
)
from training.learning.splits import UNKNOWN_SITE, pool_single_patient_sites
from training.motion import motion_by_outcome
from training.scans import PatientScans
from training.summary import ConnectomeCounts
from training.workshop import Workshop

Progress = Callable[[int, int], None]

OUTCOME_UNKNOWN: Final = "outcome unknown"
# Beside these groups: the patients whom a split is about.
JUDGED: Final = "judged"


@dataclass(frozen=True)
class Bystanders:
    """Patients whom no model learns from, though every model is asked about them.

    Attributes
    ----------
    X : ndarray of float, shape (m, p)
        Features, the columns those of the training table.
    y : ndarray of float, shape (m,)
        1 where the outcome was reached, 0 where not, NaN where it is unknown.
    site : ndarray of str, shape (m,)
    group : ndarray of str, shape (m,)
        Why nobody learns from them: the arm, such as `sham`, or `OUTCOME_UNKNOWN`.
    """

    X: FloatArray
    y: FloatArray
    site: SiteArray
    group: SiteArray


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
        Scans read, accepted and refused, and who moved in them.
    global_signal_regressed : bool or None
        As in the accepted scans; None where none of them says.
    depression_instrument, anxiety_instrument : str or None
        The one instrument that patients were rated on; None where nobody was.
    site_names : tuple of str
        The sites that are recorded, before those of one patient were put together, sorted.
    bystanders : Bystanders or None
        The cohort's other patients; None where there are none.
    started : ndarray of datetime64, shape (n,), or None
        First day of treatment, NaT where unknown; None where no day is known.
    harmonisation : HarmonisationConfig or None
        How connectivity is harmonised within each fold; X is as measured.
    nodes : NodeTable or None
        Of the scans' atlas, where the cohort gives one.
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
    bystanders: Bystanders | None = None
    started: DateArray | None = None
    harmonisation: HarmonisationConfig | None = None
    nodes: NodeTable | None = None

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
        return self.rows_of(self.X, self.y, self.site)

    def bystander_rows(self) -> TrainingRows:
        """Return the bystanders with all columns; no outcome is told."""
        others = self.bystanders
        X, site = (self.X[:0], self.site[:0]) if others is None else (others.X, others.site)
        return self.rows_of(X, np.zeros(len(X), dtype=np.bool_), site)

    def rows_of(self, X: FloatArray, y: BoolArray, site: SiteArray) -> TrainingRows:
        """Return rows with all columns of this table, as the models take them."""
        monotone = tuple(feature.monotone for feature in self.features)
        measured = measured_for(self.features, X, self.harmonisation)
        return TrainingRows(X, y, site, monotone, measured=measured)

    def _group_columns(self, group: str) -> IntArray:
        return np.array(
            [number for number, feature in enumerate(self.features) if feature.group == group],
            dtype=np.int64,
        )


def build_table(
    cohort: Cohort,
    config: TrainingConfig,
    progress: Progress | None = None,
    workshop: Workshop | None = None,
) -> TrainingTable:
    """Compute the features of every member who is learned from, and of the bystanders.

    Parameters
    ----------
    cohort : Cohort
    config : TrainingConfig
    progress : callable, optional
        Called with the patients done and the patients in all, without a workshop.
    workshop : Workshop, optional
        Whose engine reads the scans, several patients at once; without it they are read here.

    Raises
    ------
    DataError
        When nobody is left, all outcomes are alike, a scan cannot be read, or scans with and
        without global signal regression are mixed.
    """
    members = cohort.trained_on()
    y = reached(members, config.outcome) == 1
    _check_outcomes(y, config)
    features = cohort_features(cohort, config)
    others = cohort.not_trained_on()
    scans = PatientScans(config.connectome, cohort.folder, cohort.nodes)
    report = counting(progress, len(members) + len(others))
    X = _rows(members, features, scans, report, workshop)
    motion = motion_by_outcome(scans.motion_mm(), y)
    counts = scans.counts().model_copy(update={"motion": motion})
    site = sites_of(members)
    rest = None
    if others:
        X_others = _rows(others, features, scans, report, workshop)
        rest = bystanders(others, X_others, config)
    pooled = pool_single_patient_sites(site)
    check_harmonisation(config.harmonisation, features, X, pooled)
    return TrainingTable(
        X=X,
        y=y,
        site=pooled,
        features=features,
        connectomes=counts,
        global_signal_regressed=scans.regressed(),
        depression_instrument=common_instrument(members, "depression_instrument"),
        anxiety_instrument=common_instrument(members, "anxiety_instrument"),
        site_names=tuple(name for name in np.unique(site).tolist() if name != UNKNOWN_SITE),
        bystanders=rest,
        started=_started(members),
        harmonisation=config.harmonisation,
        nodes=cohort.nodes,
    )


def with_outcome(table: TrainingTable, cohort: Cohort, kind: OutcomeKind) -> TrainingTable | None:
    """Return the table of `build_table` with another outcome; None where it tells nobody apart.

    Parameters
    ----------
    table : TrainingTable
        Of this cohort.
    kind : {"response", "remission"}
    """
    instrument = get_instrument(cohort.spec.outcome.instrument)
    if kind == "remission" and instrument.remission_cutoff is None:
        return None
    y = reached(cohort.trained_on(), kind)
    if np.ptp(y) == 0:
        return None
    bystanders = table.bystanders and replace(
        table.bystanders, y=reached(cohort.not_trained_on(), kind)
    )
    return replace(table, y=y == 1, bystanders=bystanders)


def _rows(
    members: Sequence[CohortMember],
    features: Sequence[Feature],
    scans: PatientScans,
    report: Callable[[], None],
    workshop: Workshop | None,
) -> FloatArray:
    if workshop is None:
        return feature_rows(members, features, scans, report)
    return extracted_rows(members, features, scans, workshop)


def feature_rows(
    members: Sequence[CohortMember],
    features: Sequence[Feature],
    scans: PatientScans,
    report: Callable[[], None] = lambda: None,
) -> FloatArray:
    """Return the features of members, shape (n, p), one connectome in memory at a time.

    Parameters
    ----------
    report : callable
        Called once a member.
    """
    X = np.empty((len(members), len(features)))
    for number, member in enumerate(members):
        X[number] = patient_row(scans.attach(member), features, scans.nodes)
        report()
    return X


def bystanders(
    members: Sequence[CohortMember], X: FloatArray, config: TrainingConfig
) -> Bystanders:
    """Return members whom nobody learns from, with their features X, shape (m, p)."""
    groups = [OUTCOME_UNKNOWN if m.outcome is None else str(m.arm) for m in members]
    y = reached(members, config.outcome)
    return Bystanders(X=X, y=y, site=sites_of(members), group=np.array(groups, dtype=np.str_))


def reached(members: Sequence[CohortMember], kind: OutcomeKind) -> FloatArray:
    """Return 1 where the outcome was reached, 0 where not, NaN where it is unknown, shape (n,)."""
    outcomes = [member.outcome for member in members]
    return np.array([np.nan if o is None else float(o.achieved(kind)) for o in outcomes])


def sites_of(members: Sequence[CohortMember]) -> SiteArray:
    """Return the members' sites, shape (n,)."""
    return np.array([m.patient.site or UNKNOWN_SITE for m in members], dtype=np.str_)


def _started(members: Sequence[CohortMember]) -> DateArray | None:
    days = np.array([m.treatment_started for m in members], dtype="datetime64[D]")
    return None if np.isnat(days).all() else days


def counting(progress: Progress | None, total: int) -> Callable[[], None]:
    """Return what to call once a patient, so that progress is told how many are done."""
    done = count(1)
    return (lambda: None) if progress is None else (lambda: progress(next(done), total))


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
