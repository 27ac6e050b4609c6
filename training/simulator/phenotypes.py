"""The text files of a simulated cohort: tables, their sidecars, and the spec that maps them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

import numpy as np

from data_schemas.instruments import get_instrument
from training.simulator.clinical import OUTCOME_INSTRUMENT, Outcomes
from training.simulator.columns import COLUMNS, Column, FloatArray
from training.simulator.course import SESSIONS_A_WEEK, draw_course
from training.simulator.dates import START_COLUMN, START_MEANING, start_dates
from training.simulator.draw import PatientDraw
from training.simulator.scales import RoundedScale
from training.simulator.streams import random_stream

BASELINE, FINAL = "ses-pre", "ses-post"
SPEC, SPEC_PHQ9 = "cohort.toml", "cohort-phq9.toml"
SIMULATED: Final = "Simulated. No real person is in this data."
HORIZON: Final = "end of treatment"

CONNECTOME_FILES: Final = (
    "derivatives/xcp_d/{id}/ses-pre/func/{id}_ses-pre_task-rest_space-MNI152NLin2009cAsym"
    "_atlas-4S456Parcels_stat-pearsoncorrelation_relmat.tsv"
)

# The tables that are not made of `COLUMNS` alone: totals at two visits.
_REPEATED: Final = {"hdrs17": "HDRS-17", "phq9": "PHQ-9"}
_AT_BASELINE: Final = "gad7"
_COURSE, _ATTENDANCE = "course", "attendance"


def participant_ids(n_patients: int) -> list[str]:
    """Return `sub-0001`, `sub-0002`, ...; with more digits where there are more patients."""
    digits = max(4, len(str(n_patients)))
    return [f"sub-{number:0{digits}d}" for number in range(1, n_patients + 1)]


def table_files(draw: PatientDraw) -> dict[str, str]:
    """Return every table and sidecar, by path below the cohort's folder."""
    ids = participant_ids(len(draw))
    files: dict[str, str] = {}
    for table, members in groupby(COLUMNS, key=lambda column: column.table):
        columns = list(members)
        cells = {column.name: column.texts(draw.observed[column.name]) for column in columns}
        about = {column.name: _about(column) for column in columns}
        if table == "participants":
            cells["site"] = draw.site_names()
            about["site"] = {"Description": "Clinic.", "Levels": _site_levels(draw)}
            cells[START_COLUMN] = start_dates(draw.seed, len(draw))
            about[START_COLUMN] = {"Description": START_MEANING}
        if table == _AT_BASELINE:
            cells = {"session_id": [BASELINE] * len(ids), **cells}
            about = {"session_id": _session({BASELINE: "Before the first session."}), **about}
        files |= _table(table, {"participant_id": ids, **cells}, about)
    return files | _repeated_tables(draw, ids) | _course_tables(draw, ids)


def _course_tables(draw: PatientDraw, ids: Sequence[str]) -> dict[str, str]:
    """Return the scores during treatment, a row a visit, and who stopped early."""
    course = draw_course(draw)
    patient, week = np.nonzero(course.observed)
    received, total = course.sessions_received, course.score[patient, week]
    session = course.session[patient, week].astype(np.float64)
    sentence = _range_sentence(OUTCOME_INSTRUMENT)
    columns = {
        "session": Column("session", _COURSE, "", "Sessions received by then.", "never"),
        "hdrs17_total": Column("hdrs17_total", _COURSE, "", sentence, "never", "points"),
        "sessions_received": Column(
            "sessions_received", _ATTENDANCE, "",
            "Sessions of those who stopped before the plan ended; n/a for the others.", "never",
        ),
    }  # fmt: skip
    texts = {
        name: columns[name].texts(values)
        for name, values in (
            ("session", session), ("hdrs17_total", total), ("sessions_received", received),
        )
    }  # fmt: skip
    about = {name: _about(column) for name, column in columns.items()}
    attended = {"sessions_received": about.pop("sessions_received")}
    ended = {"sessions_received": texts.pop("sessions_received")}
    rated = {"participant_id": [ids[number] for number in patient.tolist()], **texts}
    return {
        **_table(_COURSE, rated, about),
        **_table(_ATTENDANCE, {"participant_id": list(ids), **ended}, attended),
    }


def _repeated_tables(draw: PatientDraw, ids: Sequence[str]) -> dict[str, str]:
    totals = {
        "hdrs17": (draw.outcomes.baseline_total, draw.outcomes.final_total),
        "phq9": _phq9_totals(draw),
    }
    files: dict[str, str] = {}
    for table, instrument in _REPEATED.items():
        before, after = totals[table]
        after = np.where(draw.outcome_known, after, np.nan)
        name = f"{table}_total"
        column = Column(name, table, "", _range_sentence(instrument), "never", "points")
        interleaved = np.column_stack([before, after]).ravel()
        cells = {
            "participant_id": [one for one in ids for _ in range(2)],
            "session_id": [BASELINE, FINAL] * len(ids),
            name: column.texts(interleaved),
        }
        sessions = {BASELINE: "Before the first session.", FINAL: f"At the {HORIZON}."}
        files |= _table(table, cells, {"session_id": _session(sessions), name: _about(column)})
    return files


def _range_sentence(instrument: str) -> str:
    scale = get_instrument(instrument)
    return f"{scale.full_name}: total, {scale.minimum} to {scale.maximum}."


def _phq9_totals(draw: PatientDraw) -> tuple[FloatArray, FloatArray]:
    """Return the self-rated totals before and after; they inform no column that is mapped."""
    measurement, scale = draw.parameters.measurement, get_instrument("PHQ-9")
    rng = random_stream(draw.seed, "phq9")
    correlation = measurement.phq9_severity_correlation
    noise = rng.standard_normal(len(draw))
    z = correlation * draw.latent.severity + np.sqrt(1 - correlation**2) * noise
    mean, sd = measurement.phq9_mean_points, measurement.phq9_sd_points
    before = RoundedScale(mean, sd, scale.minimum, scale.maximum).record(z)
    left = _share_left(draw.outcomes) * before
    disagreement = measurement.phq9_change_noise_sd_points * rng.standard_normal(len(draw))
    after = np.clip(np.rint(left + disagreement), scale.minimum, scale.maximum) + 0.0
    return before, after


def _share_left(outcomes: Outcomes) -> FloatArray:
    return outcomes.final_total / outcomes.baseline_total


def _table(
    name: str, cells: Mapping[str, Sequence[str]], about: Mapping[str, object]
) -> dict[str, str]:
    stem = name if name == "participants" else f"phenotype/{name}"
    rows = zip(*cells.values(), strict=True)
    lines = ["\t".join(cells), *("\t".join(row) for row in rows)]
    sidecar: dict[str, object] = {**about}
    if name != "participants":
        tool = {"Description": f"{SIMULATED} See simulation.json."}
        sidecar = {"MeasurementToolMetadata": tool, **sidecar}
    return {f"{stem}.tsv": "\n".join(lines) + "\n", f"{stem}.json": as_json(sidecar)}


def _about(column: Column) -> dict[str, object]:
    about: dict[str, object] = {"Description": column.description}
    if column.unit:
        about["Units"] = column.unit
    if column.levels:
        about["Levels"] = {level: level.replace("_", " ") for level in column.levels}
    return about


def _session(levels: Mapping[str, str]) -> dict[str, object]:
    return {"Description": "Visit.", "Levels": dict(levels)}


def _site_levels(draw: PatientDraw) -> dict[str, str]:
    profiles = {profile: name for name, profile in draw.parameters.profiles.items()}
    return {site.name: f"Profile {profiles[site.profile]}." for site in draw.enrolment.sites}


def as_json(content: object) -> str:
    """Return JSON text as every file of the cohort holds it."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def cohort_specs(draw: PatientDraw) -> dict[str, str]:
    """Return the specs of the folder, by file name: one for each instrument of the outcome."""
    return {
        name: _cohort_toml(draw, table) for table, name in (("hdrs17", SPEC), ("phq9", SPEC_PHQ9))
    }


def _cohort_toml(draw: PatientDraw, table: str) -> str:
    """Return the spec whose outcome is in one of the repeated tables."""
    instrument = _REPEATED[table]
    name = f"Simulated TMS cohort, scenario {draw.scenario_name}, seed {draw.seed}"
    summary = draw.scenario.summary
    if instrument != OUTCOME_INSTRUMENT:
        name += f", on the {instrument}"
        summary += (
            f" The {instrument} totals are simulated from the course on the {OUTCOME_INSTRUMENT}."
        )
    phenotypes = dict.fromkeys(column.table for column in COLUMNS)
    lines = [
        f"# {SIMULATED}",
        f'name = "{name}"',
        f'description = "{summary}"',
        'licence = "CC0-1.0"',
        'citation = "Simulated by tms-response; parameters and sources in docs/simulator.md"',
        "simulated = true",
        "",
        "[treatment]",
        "is_tms = true",
        'description = "Simulated course of TMS over the dorsolateral prefrontal cortex"',
        f'start_date = "participants.{START_COLUMN}"',
        "",
        *_table_sections(phenotypes, table),
        *(_course_table_lines() if instrument == OUTCOME_INSTRUMENT else ()),
        "[patient]",
        *_patient_lines(),
        "",
        "[outcome]",
        f'instrument = "{instrument}"',
        f'horizon = "{HORIZON}"',
        f'baseline = {{ column = "{table}.{table}_total", visit = "{BASELINE}" }}',
        f'final = {{ column = "{table}.{table}_total", visit = "{FINAL}" }}',
        "",
        "[connectome]",
        f'files = "{CONNECTOME_FILES}"',
        "required = false",
        # The scores during treatment are totals of this instrument alone.
        *(_course_lines() if instrument == OUTCOME_INSTRUMENT else ()),
    ]
    return "\n".join(lines) + "\n"


def _table_sections(tables: Iterable[str], repeated: str) -> list[str]:
    lines = []
    for table in (*tables, repeated):
        stem = table if table == "participants" else f"phenotype/{table}"
        lines += [f"[tables.{table}]", f'file = "{stem}.tsv"']
        if table in {_AT_BASELINE, repeated}:
            lines += ['visit = "session_id"', f'baseline = "{BASELINE}"']
        lines.append("")
    return lines


def _course_table_lines() -> list[str]:
    return [
        line
        for table in (_COURSE, _ATTENDANCE)
        for line in (f"[tables.{table}]", f'file = "phenotype/{table}.tsv"', "")
    ]


def _course_lines() -> list[str]:
    return [
        "",
        "[course]",
        f'score = "{_COURSE}.hdrs17_total"',
        f'session = "{_COURSE}.session"',
        f"sessions_a_week = {SESSIONS_A_WEEK}",
        f'ended = "{_ATTENDANCE}.sessions_received"',
    ]


def _patient_lines() -> list[str]:
    lines = ['site = "participants.site"', 'anxiety_instrument = { value = "GAD-7" }']
    for field, members in groupby(COLUMNS, key=lambda column: column.field):
        places = [f'"{column.table}.{column.name}"' for column in members]
        joined = ", ".join(places)
        lines.append(f"{field} = [{joined}]" if len(places) > 1 else f"{field} = {joined}")
    return lines
