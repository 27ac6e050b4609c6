"""From a cohort folder to validated members: the door through which data enters."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from data_schemas.cohort import CohortSpec
from data_schemas.errors import DataError, FieldProblem, did_you_mean
from data_schemas.instruments import get_instrument
from training.cohort.connectomes import connectome_files
from training.cohort.converting import Values, mapped
from training.cohort.courses import read_courses
from training.cohort.dates import start_dates
from training.cohort.doubts import report_doubts
from training.cohort.files import data_folder, find_spec, load_spec
from training.cohort.flow import apply_filters, last_steps
from training.cohort.joining import Study
from training.cohort.mapping import (
    PatientColumns,
    build_patients,
    patient_columns,
    specified_columns,
)
from training.cohort.node_tables import CohortNodes, cohort_nodes
from training.cohort.outcomes import build_outcomes, read_totals
from training.cohort.records import (
    Cohort,
    CohortMember,
    Findings,
    FlowStep,
    Progress,
)
from training.cohort.tables import Table, read_table


@dataclass
class Reading:
    """Everything that reading found, right or wrong; `read_cohort` and `check_cohort` share it."""

    spec: CohortSpec
    folder: Path
    findings: Findings
    members: tuple[CohortMember, ...] = ()
    flow: tuple[FlowStep, ...] = ()
    columns: PatientColumns | None = None
    nodes: CohortNodes = field(default_factory=CohortNodes)
    fingerprint: str = ""


def read_cohort(
    path: Path | str, data: Path | str | None = None, progress: Progress | None = None
) -> Cohort:
    """Read and validate a cohort.

    Parameters
    ----------
    path : Path or str
        A folder that holds `cohort.toml`, or one spec file.
    data : Path or str or None
        The folder with the tables; by default the folder of the spec.
    progress : callable or None
        Called now and then with the patients done and the patients in all.

    Returns
    -------
    Cohort

    Raises
    ------
    ConfigurationError
        When the spec is wrong.
    DataError
        When the data is: it lists every bad cell by file, row and column, never by value.
    """
    reading = read_all(path, data, progress)
    reading.findings.raise_if_wrong(f"The data of '{reading.spec.name}' cannot be used as it is.")
    return Cohort(
        name=reading.spec.name,
        spec=reading.spec,
        members=reading.members,
        flow=reading.flow,
        issues=reading.findings.issues(),
        fingerprint=reading.fingerprint,
        simulated=reading.spec.simulated,
        folder=reading.folder,
        nodes=reading.nodes.table,
    )


def read_all(
    path: Path | str, data: Path | str | None = None, progress: Progress | None = None
) -> Reading:
    """Read as much of a cohort as can be read, and collect what is wrong with it.

    Raises
    ------
    ConfigurationError
        When the spec is wrong.
    DataError
        When there is no such cohort or data folder.
    """
    spec_path = find_spec(Path(path))
    spec, content = load_spec(spec_path)
    folder = data_folder(spec_path, None if data is None else Path(data))
    reading = Reading(spec, folder, Findings())
    tables = _read_tables(reading)
    reading.nodes = cohort_nodes(folder, spec, reading.findings)
    if not reading.findings.problems:
        study = Study(spec, tables, reading.findings)
        _read_members(reading, study, progress)
        reading.fingerprint = _fingerprint(content, tables, reading)
    return reading


def _read_tables(reading: Reading) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for name, table_spec in reading.spec.tables.items():
        try:
            tables[name] = read_table(reading.folder, name, table_spec)
        except DataError as error:
            where = f"tables.{name}"
            reading.findings.error("table", FieldProblem(where, error.message))
            for problem in error.problems:
                reading.findings.error("table", problem)
    for name, columns in specified_columns(reading.spec).items():
        if name in tables:
            _report_unknown_columns(tables[name], columns, reading.findings)
    return tables


def _report_unknown_columns(table: Table, needed: list[str], findings: Findings) -> None:
    present = [str(column) for column in table.frame.columns]
    if not set(needed) & set(present):
        # The names are not repeated: in a file without a header they are a patient's values.
        sentence = "has none of the columns that the spec names; is its first line a header?"
        findings.error("unknown_column", FieldProblem(table.spec.file, sentence))
        return
    for column in needed:
        if column not in present:
            sentence = f"there is no column '{column}'.{did_you_mean(column, present)}"
            allowed = ", ".join(present)
            findings.error("unknown_column", FieldProblem(table.spec.file, sentence, allowed))


def _read_members(reading: Reading, study: Study, progress: Progress | None) -> None:
    spec, findings = reading.spec, reading.findings
    if not len(study.ids):
        first = next(iter(spec.tables.values()))
        findings.error("nobody", FieldProblem(first.file, "no participant is left in this table"))
        return
    files = connectome_files(reading.folder, spec, study.ids, findings)
    selection = apply_filters(study)
    study.restrict(selection.chosen)
    baseline = read_totals(study, spec.outcome.baseline)
    final = read_totals(study, spec.outcome.final)
    reading.columns = patient_columns(study, baseline.as_field())
    patients = build_patients(reading.columns, len(study.ids), findings, progress)
    outcomes = build_outcomes(baseline, final, get_instrument(spec.outcome.instrument))
    everybody = zip(
        study.ids, patients, outcomes, _arms(study), start_dates(study), read_courses(study),
        strict=True,
    )  # fmt: skip
    members = [
        CohortMember(
            name, patient, outcome, arm, files.get(name, ()), started, so_far.course, so_far.ended
        )
        for name, patient, outcome, arm, started, so_far in everybody
        if patient is not None
    ]
    flow = list(selection.flow)
    if spec.connectome is not None and spec.connectome.required:
        scanned = [member for member in members if member.connectome_files]
        flow.append(FlowStep("with a connectome", len(scanned), len(members) - len(scanned)))
        members = scanned
    reading.members = tuple(members)
    reading.flow = (*flow, *last_steps(members, spec))
    report_doubts(members, baseline, final, spec, findings)


def _arms(study: Study) -> Values:
    arms = study.spec.arms
    if arms is None:
        return [None] * len(study.ids)
    return mapped(study.column(arms.column), dict(arms.labels()), study.findings)


def _fingerprint(spec: bytes, tables: dict[str, Table], reading: Reading) -> str:
    """Digest the spec and every file read: names relative to the data folder, and contents."""
    digest = hashlib.sha256(spec)
    for table in tables.values():
        digest.update(f"{table.spec.file}\0{table.digest}\0".encode())
    digest.update(reading.nodes.digest.encode())
    paths = {path for member in reading.members for path in member.connectome_files}
    for path in sorted(paths):
        digest.update(f"{path.relative_to(reading.folder).as_posix()}\0".encode())
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
