"""Writing a simulated cohort as a BIDS folder.

::

    OUT/
      README  dataset_description.json  participants.tsv  participants.json
      phenotype/*.tsv, *.json          one table and one sidecar each; course.tsv holds the scores
                                       during treatment, attendance.tsv who stopped early
      derivatives/xcp_d/sub-*/ses-pre/func/
        *_atlas-4S456Parcels_stat-pearsoncorrelation_relmat.tsv, .json
        *_desc-linc_qc.tsv             volumes and motion, as XCP-D writes them
      cohort.toml                      how the tables map to patients, outcome on the HDRS-17
      cohort-phq9.toml                 the same patients, outcome on the PHQ-9
      card.toml                        what a model card of it can say
      simulation.json                  scenario, seed, hash of the parameters

Everything follows from the arguments, to the byte. Correlations are written with three decimals:
the rounding error of 0.0005 is far below the sampling error of a scan, about 0.1, and hides the
last bits of a product, which may depend on how many threads share it.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_schemas.errors import UsageError
from training.simulator.draw import PatientDraw, draw_patients
from training.simulator.phenotypes import (
    SIMULATED,
    SPEC,
    SPEC_PHQ9,
    as_json,
    cohort_specs,
    participant_ids,
    table_files,
)
from training.simulator.relmats import XCPD_FOLDER, RelmatJob, write_relmats
from training.simulator.scans import (
    choose_scanned,
    default_matrix_count,
    draw_scan,
    true_connectivity,
)
from training.summary import CARD_TEXT_FILE

Progress = Callable[[int, int], None]

GENERATOR: Final = "tms-response simulate"
SIMULATION_FILE: Final = "simulation.json"
_WRITTEN: Final = (
    "README", "dataset_description.json", "participants.tsv", "participants.json", "phenotype",
    "derivatives", SPEC, SPEC_PHQ9, CARD_TEXT_FILE, SIMULATION_FILE,
)  # fmt: skip
_CARD_TEXT: Final = Path(__file__).with_name("card.toml")
_BIDS_VERSION: Final = "1.10.0"


@dataclass(frozen=True)
class SimulatedCohort:
    """What was written.

    Attributes
    ----------
    folder : Path
    scenario : str
    seed, n_patients, n_sites, n_matrices : int
    n_outcomes : int
        Patients whose final total is known.
    parameters_sha256 : str
        Hash of the parameter file.
    """

    folder: Path
    scenario: str
    seed: int
    n_patients: int
    n_sites: int
    n_matrices: int
    n_outcomes: int
    parameters_sha256: str


def simulate(  # noqa: PLR0917  # in the order of the command line
    out: Path,
    n_patients: int = 800,
    n_sites: int = 8,
    scenario: str = "conservative",
    seed: int = 7,
    progress: Progress | None = None,
    *,
    n_matrices: int | None = None,
) -> SimulatedCohort:
    """Write a simulated cohort.

    Parameters
    ----------
    out : Path
        A new or empty folder, or an earlier simulation, which is replaced.
    n_patients : int
        At least 20, and 5 a site.
    n_sites : int
        1 to 50.
    scenario : {"null", "conservative", "elbau", "optimistic"}
    seed : int
        Not negative. Patients are those of `draw_patients` with the same arguments.
    progress : callable, optional
        Called with the number of matrices written and the number in all.
    n_matrices : int, optional
        Connectivity matrices, 0 to `n_patients`; a quarter of the patients by default.

    Raises
    ------
    UsageError
        For an unknown scenario, numbers out of range, and a folder that holds something else.
    """
    draw = draw_patients(n_patients, scenario, seed, n_sites)
    n_matrices = default_matrix_count(draw) if n_matrices is None else n_matrices
    if not 0 <= n_matrices <= n_patients:
        raise UsageError(f"The number of matrices must lie between 0 and {n_patients}.")
    _make_room(out)
    cohort = SimulatedCohort(
        folder=out,
        scenario=scenario,
        seed=seed,
        n_patients=n_patients,
        n_sites=n_sites,
        n_matrices=n_matrices,
        n_outcomes=int(draw.outcome_known.sum()),
        parameters_sha256=draw.parameters.sha256,
    )
    _write(out / SIMULATION_FILE, as_json(_provenance(cohort)))
    jobs = _relmat_jobs(draw, n_matrices)
    write_relmats(out, jobs, draw.parameters, progress)
    # The specs come last, so that an interrupted simulation cannot be taken for a whole one.
    for name, text in {**_descriptions(cohort), **table_files(draw), **cohort_specs(draw)}.items():
        _write(out / name, text)
    return cohort


def _make_room(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not _is_simulation(out):
        raise UsageError(
            f"The folder '{out}' holds something else than a simulated cohort. "
            "Name a new or empty folder."
        )
    if out.exists() and not out.is_dir():
        raise UsageError(f"'{out}' is a file. Name a new or empty folder.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The folder '{out}' cannot be made: {error.strerror}.") from None
    for name in _WRITTEN:
        path = out / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _is_simulation(folder: Path) -> bool:
    try:
        content = json.loads((folder / SIMULATION_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("generator") == GENERATOR


def _relmat_jobs(draw: PatientDraw, n_matrices: int) -> list[RelmatJob]:
    ids = participant_ids(len(draw))
    return [
        RelmatJob(
            participant=ids[patient],
            seed=draw.seed,
            scan=draw_scan(draw.seed, patient, draw.parameters.scans),
            truth=true_connectivity(draw, patient),
        )
        for patient in choose_scanned(draw, n_matrices).tolist()
    ]


def _provenance(cohort: SimulatedCohort) -> dict[str, object]:
    return {
        "generator": GENERATOR,
        "simulated": True,
        "statement": SIMULATED,
        "scenario": cohort.scenario,
        "seed": cohort.seed,
        "n_patients": cohort.n_patients,
        "n_sites": cohort.n_sites,
        "n_matrices": cohort.n_matrices,
        "parameters_sha256": cohort.parameters_sha256,
    }


def _descriptions(cohort: SimulatedCohort) -> dict[str, str]:
    shared = {
        "BIDSVersion": _BIDS_VERSION,
        "License": "CC0-1.0",
        "GeneratedBy": [{"Name": GENERATOR, "Description": SIMULATED}],
    }
    whole = {
        "Name": f"Simulated TMS cohort, scenario {cohort.scenario}, seed {cohort.seed}",
        "DatasetType": "raw",
        **shared,
    }
    matrices = {
        "Name": "Simulated connectivity matrices, named as XCP-D names them",
        "DatasetType": "derivative",
        **shared,
    }
    readme = (
        f"{SIMULATED}\n\nWritten by {GENERATOR}: scenario {cohort.scenario}, seed {cohort.seed}, "
        f"{cohort.n_patients} patients at {cohort.n_sites} sites, {cohort.n_matrices} connectivity "
        "matrices.\nParameters and their sources: docs/simulator.md of tms-response.\n"
        "The matrices are simulated too; XCP-D has not been run.\n"
    )
    return {
        "README": readme,
        "dataset_description.json": as_json(whole),
        f"{XCPD_FOLDER}/dataset_description.json": as_json(matrices),
        CARD_TEXT_FILE: _CARD_TEXT.read_text(encoding="utf-8"),
    }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
