"""A year of three hospitals with one service, as it would be lived, week by week."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deployments import Deployment, Scrapes
from fresh_process import QUICK_CONFIG
from hospitals import Hospital, Reported, Told
from ledgers import PostgresServer
from service_faults import move_clock, settings_of_moved_clock, wait_for, wait_until_forwarded
from year_patients import FIRST_DAY, SCENARIO, YearPatient, monday, year_patients

from data_schemas.errors import DataError
from serving.settings import KEY_VARIABLE, RELOAD_VARIABLE
from training.monitoring.command_line import ALARM_EXIT_CODE
from training.simulator.draw import draw_patients
from training.simulator.writer import simulate

WEEKS = 52
PSEUDONYM_KEY = "7e" * 32
N_HOSPITALS, N_TRAINING, TRAINING_SEED = 3, 400, 7
# Fixed; of the seeds 100 to 124 each gives the alarm within weeks 27 to 36, and none before.
YEAR_SEED = 122
USUAL_WEEK, BUSY_WEEK = 17, 44
OUTAGE, CRASH, PROMOTION, ROLLBACK = 11, 15, 38, 46
# From week 20 on patients improve more seldom, until what was wrong with the treatment is mended.
DRIFT, SHIFT = range(20, ROLLBACK), -2.0
QUIET_LOOKS = (8, 14, 19)
LOOKS_FOR_THE_DRIFT = range(27, PROMOTION, 2)
UPDATE_FOLDER = "update"
_BATCHING = 1  # which of the hospitals asks in batches
_SECONDS_BETWEEN = 0.05


class Year:
    """What runs, who asks, and what was noted.

    Attributes
    ----------
    deployment : Deployment
    postgres : PostgresServer
        With the ledger.
    hospitals : list of Hospital
    patients : list of YearPatient
    scrapes : Scrapes
        Patients answered, by version.
    lost : Counter
        Patients answered since the last look before the crash, whose counts went with it.
    alarms : dict
        By the week in which `monitor` was run, which alarms stood.
    refused : list of int
        Weeks in which there were too few outcomes for an update.
    updated : int
        Week in which there were enough.
    """

    def __init__(self, deployment: Deployment, postgres: PostgresServer) -> None:
        self.deployment, self.postgres = deployment, postgres
        self._began = datetime.now(UTC)
        self.scrapes, self.lost = Scrapes(), Counter[str]()
        self.alarms: dict[int, list[str]] = {}
        self.refused: list[int] = []
        self.updated = 0
        sites = draw_patients(N_TRAINING, SCENARIO, TRAINING_SEED, N_HOSPITALS).enrolment.sites
        busy = {OUTAGE, CRASH, PROMOTION, ROLLBACK}
        sizes = [BUSY_WEEK if week in busy else USUAL_WEEK for week in range(1, WEEKS + 1)]
        self.patients = year_patients(sites, sizes, DRIFT, SHIFT, YEAR_SEED)
        self.hospitals = [
            Hospital(
                site.name,
                deployment.port,
                deployment.new_key("predict", "outcomes"),
                in_batches=number == _BATCHING,
            )
            for number, site in enumerate(sites)
        ]

    @property
    def seen(self) -> "Counter[str]":
        """Patients in all answers that hospitals have got, by version."""
        return sum((each.notes.seen for each in self.hospitals), Counter[str]())

    @property
    def told(self) -> dict[int, Told]:
        """What hospitals were told, by the number of the patient."""
        return {
            number: each
            for hospital in self.hospitals
            for number, each in hospital.notes.told.items()
        }

    def reported(self, week: int = WEEKS) -> dict[int, Reported]:
        """Return the latest report of each patient until a week, by the patient's number."""
        return {
            each.patient.number: each
            for hospital in self.hospitals
            for each in hospital.notes.reported
            if each.week <= week
        }

    def set_calendar(self, week: int) -> None:
        """Let all clocks show the Monday morning of a week."""
        days = (FIRST_DAY + timedelta(weeks=week - 1) - self._began) / timedelta(days=1)
        move_clock(self.deployment.home, days)

    def week_of(self, moment: datetime) -> int:
        """Return the week that the clocks showed at a moment."""
        return (moment - FIRST_DAY) // timedelta(weeks=1) + 1

    def live(self) -> None:
        """Go through the weeks."""
        events: dict[int, Callable[[int], None]] = {
            OUTAGE: self._postgres_goes_away,
            CRASH: self._the_service_crashes,
            PROMOTION: lambda week: self._the_model_changes(week, "promote", UPDATE_FOLDER),
            ROLLBACK: lambda week: self._the_model_changes(week, "rollback", "--why", "mended"),
        }
        for week in range(1, WEEKS + 1):
            self.set_calendar(week)
            if week != OUTAGE:
                self._report(week)
            events.get(week, self._ask)(week)
            self._look_at_the_counters()
            self._look_after_the_model(week)

    def _look_after_the_model(self, week: int) -> None:
        alarmed = any(self.alarms.values())
        if week in QUIET_LOOKS or (week in LOOKS_FOR_THE_DRIFT and not alarmed):
            self.alarms[week] = self.monitor(f"monitor-{week}")
        elif alarmed and not self.updated and week in LOOKS_FOR_THE_DRIFT:
            self._update(week)

    def _update(self, week: int) -> None:
        """Update on the patients since the drift, once enough of their outcomes are known."""
        done = self.deployment.run(
            "update", "models:/tms-response@champion", "--since", monday(DRIFT.start),
            "--place", "three hospitals", "--register", "--out", UPDATE_FOLDER, code=None,
        )  # fmt: skip
        if done.returncode == DataError.exit_code:
            self.refused.append(week)
        else:
            assert done.returncode == 0, done.stderr
            self.updated = week

    def monitor(self, name: str, *more: str) -> list[str]:
        """Look for alarms, and return their codes."""
        home = self.deployment.home
        files = ("--out", home / f"{name}.html", "--metrics", home / f"{name}.prom")
        done = self.deployment.run("monitor", *files, *more, code=None)
        alarms = [line for line in done.stdout.splitlines() if line.startswith("alarm: ")]
        assert done.returncode == (ALARM_EXIT_CODE if alarms else 0), done.stderr
        return [line.rpartition("(")[2].rstrip(")") for line in alarms]

    def of(self, hospital: Hospital, week: int | None = None) -> list[YearPatient]:
        """Return the patients of a hospital, or those of a week."""
        return [
            each for each in self.patients
            if each.site == hospital.name and week in {None, each.week}
        ]  # fmt: skip

    def _report(self, week: int) -> None:
        for hospital in self.hospitals:
            hospital.report(self.of(hospital), week)

    def _ask(
        self,
        week: int,
        meanwhile: Callable[[], None] = lambda: None,
        pace: Callable[[float], None] = lambda _share: None,
    ) -> None:
        """Let all hospitals ask about their patients at the same time, whatever happens."""
        with ThreadPoolExecutor(len(self.hospitals)) as pool:
            asking = [pool.submit(each.ask, self.of(each, week), pace) for each in self.hospitals]
            meanwhile()
        for each in asking:
            each.result()

    def _meet(self, week: int, fault: Callable[[], None], recovery: Callable[[], None]) -> None:
        """Let a fault strike in the middle of a week's requests."""
        struck = threading.Event()

        def strike() -> None:
            enough = self.seen.total() + BUSY_WEEK // 4
            wait_for(lambda: self.seen.total() >= enough)
            try:
                fault()
            finally:
                struck.set()
            recovery()

        def pace(share: float) -> None:
            # Every hospital has a half left to ask about when it happens.
            time.sleep(_SECONDS_BETWEEN)
            if share >= 0.5:
                struck.wait(120)

        self._ask(week, strike, pace)

    def _postgres_goes_away(self, week: int) -> None:
        def come_back() -> None:
            # What is reported now is refused, and kept for the next week.
            self._report(week)
            expected = sum(each.week <= week for each in self.patients)
            wait_for(lambda: self.seen.total() == expected)
            self.postgres.start()

        self._meet(week, self.postgres.stop, come_back)
        wait_until_forwarded(self.deployment.running())

    def _the_service_crashes(self, week: int) -> None:
        def crash() -> None:
            self.deployment.crash()
            # Answers that were on their way have come by then.
            time.sleep(10 * _SECONDS_BETWEEN)
            self.lost = self.seen - self.scrapes.total
            self.scrapes.started_anew()

        self._meet(week, crash, self.deployment.start)
        for hospital in self.hospitals:
            hospital.ask_again()

    def _the_model_changes(self, week: int, *command: str) -> None:
        """Change the champion while hospitals ask; nobody notices but by the version."""
        [before] = self._answering()
        statuses, broken = self._statuses(), self._broken()
        commanded, changed = threading.Event(), threading.Event()

        def change() -> None:
            try:
                self.deployment.run(*command)
                commanded.set()
                wait_for(lambda: len(found := self._answering()) == 1 and before not in found)
            finally:
                commanded.set()
                changed.set()

        def pace(share: float) -> None:
            # The service follows within seconds of the command; most ask in these.
            if share >= 0.9:
                changed.wait(120)
            elif share >= 0.3:
                commanded.wait(120)
            time.sleep(4 * _SECONDS_BETWEEN)

        self._ask(week, change, pace)
        assert (self._statuses() - statuses).keys() == {200}
        assert self._broken() == broken
        [after] = self._answering()
        found = {each.version for each in self.told.values() if each.patient.week == week}
        assert found == {before, after}

    def _answering(self) -> set[str]:
        models = self.deployment.counted("tms_response_model", "version")
        return {version for version, workers in models.items() if workers}

    def _statuses(self) -> "Counter[int]":
        return sum((each.notes.statuses for each in self.hospitals), Counter[int]())

    def _broken(self) -> int:
        return sum(each.notes.broken for each in self.hospitals)

    def _look_at_the_counters(self) -> None:
        self.scrapes.add(self.deployment.counted("tms_response_predictions_total", "version"))
        counted = self.scrapes.total + self.lost
        assert counted == self.seen, (counted, self.seen)


@contextmanager
def deployed_year(home: Path, postgres: PostgresServer) -> Iterator[Year]:
    """Train, deploy, and give keys to three hospitals."""
    settings = {
        **settings_of_moved_clock(home), KEY_VARIABLE: PSEUDONYM_KEY, RELOAD_VARIABLE: "0.5",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    year = Year(Deployment(home, postgres.new_database(), settings), postgres)
    year.set_calendar(0)
    simulate(home / "cohort", N_TRAINING, N_HOSPITALS, SCENARIO, TRAINING_SEED, n_matrices=0)
    (home / "quick.toml").write_text(QUICK_CONFIG, encoding="utf-8")
    try:
        year.deployment.run("train", "cohort", "--config", "quick.toml", "--out", "run")
        year.deployment.start()
        yield year
    finally:
        year.deployment.stop()
        for hospital in year.hospitals:
            hospital.close()
