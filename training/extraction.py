"""Connectivity features of a whole cohort: one patient a task, on any engine, each kept.

A task reads one patient's scans, refuses or averages them, and leaves a few dozen numbers, so that
no process ever holds the scans of more than one patient. Results are kept in the run's `work/`,
from which an interrupted run goes on, and, where the environment variable `TMS_RESPONSE_CACHE`
names a folder, there too (`training.extraction_cache`), where later runs find them by the content
of the files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_schemas.connectome import ConnectomeQuality
from data_schemas.patient import Patient
from features.connectivity import CONNECTIVITY_NAMES, connectivity_summary
from features.nodes import NodeTable
from features.patient_rows import patient_row
from features.table import Feature
from training.cohort.records import CohortMember
from training.engine.engines import Value
from training.engine.stage import TaskResult, run_stage
from training.extraction_cache import cache_folder, content_digest, load_result, save_result
from training.learning.rows import FloatArray
from training.scans import PatientScans
from training.workshop import Workshop

STAGE = "computing features"
_UNKNOWN = -1


@dataclass(frozen=True)
class ScanSettings:
    """What all tasks need.

    Attributes
    ----------
    quality : ConnectomeQuality
    folder : Path
        The cohort's data folder.
    cache : Path or None
        Where results are kept by content; None keeps none.
    nodes : NodeTable or None
        Of the scans' atlas, where the label grammar does not know it.
    fingerprint : str
        Of a cohort other than the one that the run is about, so that an interrupted run takes
        nothing from one that has changed since.
    """

    quality: ConnectomeQuality
    folder: Path
    cache: Path | None
    nodes: NodeTable | None
    fingerprint: str


class ScanTask(NamedTuple):
    """One patient: his files relative to the data folder where they lie in it, and the coil."""

    files: tuple[str, ...]
    coil_site_mni_mm: tuple[float, float, float] | None


def extract_patient(settings: ScanSettings, task: ScanTask) -> Mapping[str, Value]:
    """Return one patient's connectivity features and what became of the scans.

    Raises
    ------
    DataError
        When a scan cannot be read.
    """
    paths = tuple(settings.folder / name for name in task.files)
    digest = content_digest(paths, settings.quality, settings.nodes, task.coil_site_mni_mm)
    kept = load_result(settings.cache, digest)
    if kept is not None:
        return kept
    scans = PatientScans(settings.quality, settings.folder, settings.nodes)
    baseline = Patient(coil_site_mni_mm=task.coil_site_mni_mm)
    patient = scans.attach(CohortMember("", baseline, outcome=None, connectome_files=paths))
    counts, regressed = scans.counts(), scans.regressed()
    summary = connectivity_summary(patient.connectome, patient.coil_site_mni_mm, settings.nodes)
    result = {
        "features": np.array(list(summary.values())),
        "n_accepted": np.int64(counts.n_accepted),
        "regressed": np.int64(_UNKNOWN if regressed is None else regressed),
        "motion_mm": scans.motion_mm()[0],
        "profile": scans.profiles[0],
        "reasons": np.array(list(counts.refused), dtype=np.str_),
        "n_refused": np.array(list(counts.refused.values()), dtype=np.int64),
    }
    save_result(settings.cache, digest, result)
    return result


def extracted_rows(
    members: Sequence[CohortMember],
    features: Sequence[Feature],
    scans: PatientScans,
    workshop: Workshop,
    *,
    stage: str = STAGE,
    fingerprint: str = "",
) -> FloatArray:
    """Return the features of members, shape (n, p), their scans read by the run's engine.

    Parameters
    ----------
    members : sequence of CohortMember
    features : sequence of Feature, length p
    scans : PatientScans
        Told what became of the scans, as if it had read them.
    workshop : Workshop
        Where the tasks run, and where results are kept.
    stage : str
        Under which progress is told and results are kept.
    fingerprint : str
        Of a cohort other than the one that the run is about.

    Raises
    ------
    DataError
        When a scan cannot be read, or scans with and without global signal regression are mixed.
    """
    X = np.array([patient_row(member.patient, features) for member in members], dtype=np.float64)
    X = X.reshape(len(members), len(features))
    scanned = [number for number, member in enumerate(members) if member.connectome_files]
    tasks = [_task(members[number], scans.folder) for number in scanned]
    settings = ScanSettings(scans.quality, scans.folder, cache_folder(), scans.nodes, fingerprint)
    found = dict(zip(scanned, _results(settings, tasks, workshop, stage), strict=True))
    names = [feature.name for feature in features]
    columns = [
        (names.index(name), place) for place, name in enumerate(CONNECTIVITY_NAMES) if name in names
    ]
    for number, member in enumerate(members):
        result = found.get(number)
        if result is None:
            scans.attach(member)
            continue
        for column, place in columns:
            X[number, column] = result["features"][place]
        _tell(scans, result, member)
    return X


def _task(member: CohortMember, folder: Path) -> ScanTask:
    # Joined to the folder again, a path that is absolute stays as it is.
    names = [
        path.relative_to(folder) if path.is_relative_to(folder) else path
        for path in member.connectome_files
    ]
    return ScanTask(tuple(map(str, names)), member.patient.coil_site_mni_mm)


def _results(
    settings: ScanSettings, tasks: Sequence[ScanTask], workshop: Workshop, stage: str
) -> list[TaskResult]:
    if not tasks:
        return []
    return run_stage(
        workshop.engine, workshop.work, stage, extract_patient, settings, tasks,
        workshop.stage(stage),
    )  # fmt: skip


def _tell(scans: PatientScans, result: TaskResult, member: CohortMember) -> None:
    refused = dict(zip(result["reasons"].tolist(), result["n_refused"].tolist(), strict=True))
    regressed = int(result["regressed"])
    scans.add(
        n_accepted=int(result["n_accepted"]),
        refused=refused,
        regressed=None if regressed == _UNKNOWN else bool(regressed),
        motion_mm=float(result["motion_mm"]),
        profile=result["profile"],
        first_file=member.connectome_files[0],
    )
