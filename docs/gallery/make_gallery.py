"""Retake the pictures of this folder from a finished run and a real service: `make gallery`.

The browser and the form's driver are those of the tests, so `tests` must be on the path.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
from browsers import CHROMIUM, DESKTOP, opened_page
from clinician_pages import open_answered
from monitored_ledgers import NOW, table_of_ledger, write_ledger
from PIL import Image
from playwright.sync_api import Page
from real_servers import free_port, wait_until_ready

from data_schemas.errors import DataError
from data_schemas.patient import Patient
from serving.predictor import ResponsePredictor
from serving.settings import LEDGER_VARIABLE, OUTBOX_VARIABLE
from training.card.build import build_card
from training.cohort.read import read_cohort
from training.monitoring.monitor import monitor
from training.monitoring.page import write_page
from training.monitoring.settings import MonitoringSettings
from training.report.build import build_report
from training.scans import PatientScans
from training.simulator.writer import simulate
from training.summary import MODEL_FOLDER, REPORT_FILE, RunSummary

GALLERY: Final = Path(__file__).parent
_COMMAND: Final = Path(sys.executable).with_name("tms-response")
_EXAMPLES: Final = GALLERY.parents[1] / "examples"
_OCD_BESIDE: Final = GALLERY.parents[2] / "shared" / "data" / "ocd-ctbs-2023"
# Each picture's cohort, and where its data is: beside its spec, or a folder to be named.
REAL_COHORTS: Final = {
    "beat-the-blues": (
        _EXAMPLES / "beat-the-blues",
        _EXAMPLES / "beat-the-blues" / "data" / "BtheB.csv",
    ),
    "ocd": (
        _EXAMPLES / "ocd-ctbs-2023",
        Path(os.environ.get("TMS_RESPONSE_OCD_DATA", _OCD_BESIDE)),
    ),
}
_N_MONITORED: Final = 300
# Not that of the cohort which `make train` simulates.
_SEED: Final = 8
# Of the log-odds: so many fewer respond than predicted that the chart reaches its limit.
_SHIFT: Final = -0.8


def make_gallery(run: Path) -> None:
    """Retake every picture; the run's report and card are made anew, in a copy of it.

    Parameters
    ----------
    run : Path
        Folder of a finished run.

    Raises
    ------
    DataError
        When it is no such folder.
    """
    RunSummary.load(run)  # refuses what is no finished run
    with tempfile.TemporaryDirectory(prefix="tms-response-gallery-") as folder:
        home = Path(folder)
        copy = home / "run"
        shutil.copytree(run, copy)
        take_report(build_report(copy))
        build_card(copy)
        take_real_cohorts(home)
        take_service(copy / MODEL_FOLDER, home)
        take_monitoring(ResponsePredictor.load(copy / MODEL_FOLDER), home)


def take_report(report: Path) -> None:
    """Take the report's first screen, and what drives the model."""
    with opened_page(DESKTOP) as page:
        page.goto(report.as_uri())
        save(page, "report")
        page.set_viewport_size({"width": 1280, "height": 900})
        save(page, "drivers", "#drivers")


def take_real_cohorts(home: Path) -> None:
    """Take the first screens of the reports of the examples whose data is at hand."""
    for name, (cohort, data) in REAL_COHORTS.items():
        if not data.exists():
            print(f"{name}.png stays as it is: the data of {cohort.name} is not here.")
            continue
        command = ["train", str(cohort), "--out", name]
        command += ["--data", str(data)] if data.is_dir() else []
        subprocess.run([_COMMAND, *command], cwd=home, check=True, capture_output=True)
        with opened_page(DESKTOP) as page:
            page.goto((home / name / REPORT_FILE).as_uri())
            save(page, name)


def take_service(model: Path, home: Path) -> None:
    """Take the clinician's page with an answer, the patient report, and the model card."""
    with local_service(model, home) as address:
        with opened_page((1280, 1040)) as page:
            answer = open_answered(page, address, folded=False)
            save(page, "clinician")
            page.set_viewport_size({"width": 900, "height": 800})
            page.goto(f"{address}predictions/{answer['prediction_id']}/report")
            save(page, "patient", full=True)
            page.set_viewport_size({"width": 1280, "height": 920})
            page.goto(f"{address}model/card")
            save(page, "card")
        with opened_page((390, 844), scheme="dark") as page:
            open_answered(page, address, folded=False)
            save(page, "phone", "text=What moved it")


def take_monitoring(predictor: ResponsePredictor, home: Path) -> None:
    """Take the page about months in which fewer patients respond than the model predicts."""
    url = f"sqlite:///{home / 'monitored.db'}"
    write_ledger(url, predictor, other_patients(predictor, home / "cohort"), shift=_SHIFT)
    found = monitor(table_of_ledger(url), predictor, MonitoringSettings(), NOW)
    write_page(found, home / "monitor.html")
    with opened_page((1280, 930)) as page:
        page.goto((home / "monitor.html").as_uri())
        save(page, "monitoring")


def other_patients(predictor: ResponsePredictor, folder: Path) -> list[Patient]:
    """Return simulated patients with their scans, whom the model has not seen."""
    simulate(folder, _N_MONITORED, seed=_SEED)
    needs = predictor.document.connectome
    scans = PatientScans(needs.quality, folder, needs.node_table)
    return [scans.attach(member) for member in read_cohort(folder).members]


@contextmanager
def local_service(model: Path, home: Path) -> Iterator[str]:
    """Serve a model to this machine alone, with a ledger of its own, and yield the address."""
    port = free_port()
    command = ["serve", "--no-access", "--model", str(model.resolve()), "--port", str(port)]
    ledger = {
        LEDGER_VARIABLE: f"sqlite:///{home / 'ledger.db'}", OUTBOX_VARIABLE: str(home / "outbox.db")
    }  # fmt: skip
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [_COMMAND, *command],
            env={**os.environ, **ledger}, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}/"
        with httpx.Client(base_url=address, timeout=30) as client:
            wait_until_ready(process, client)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)


def save(page: Page, name: str, start: str = "body", *, full: bool = False) -> None:
    """Write what the window shows, in 256 colours.

    Parameters
    ----------
    page : Page
        As it stands.
    name : str
        Of the picture.
    start : str, optional
        Selector of what stands at the top.
    full : bool
        Whether to take the whole page.
    """
    page.locator(start).first.evaluate("place => place.scrollIntoView()")
    path = GALLERY / f"{name}.png"
    page.screenshot(path=path, full_page=full, animations="disabled")
    with Image.open(path) as picture:
        # Of Pillow's methods the one that keeps rare colours, such as those of bars.
        few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3)
    few.save(path, optimize=True)


if __name__ == "__main__":
    if CHROMIUM is None:
        sys.exit("error: Chromium is not installed; on Debian: apt-get install chromium")
    try:
        make_gallery(Path(sys.argv[1]))
    except DataError as refused:
        sys.exit(f"error: {refused}")
