"""A year of three hospitals with one service, as it would be lived, week by week."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deployments import Deployment, Scrapes
from fresh_process import QUICK_CONFIG
from hospitals import Hospital
from ledgers import PostgresServer
from service_faults import move_clock, settings_of_moved_clock, wait_for, wait_until_forwarded
from year_patients import FIRST_DAY, SCENARIO, YearPatient, year_patients

from serving.settings import KEY_VARIABLE, RELOAD_VARIABLE
from training.monitoring.command_line import ALARM_EXIT_CODE
from training.simulator.draw import draw_patients
from training.simulator.writer import simulate

WEEKS = 20
PSEUDONYM_KEY = "7e" * 32
N_HOSPITALS, N_TRAINING, TRAINING_SEED = 3, 400, 7
# With this seed no chart alarms before the drift; of 100 seeds it would be about 2 in half a year.
YEAR_SEED = 103
USUAL_WEEK, BUSY_WEEK = 17, 44
OUTAGE, CRASH = 11, 15
DRIFT, SHIFT = range(20, 46), -2.0
MONITORED = (8, 14, 19)
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
    monitored : dict
        By week, which alarms stood.
    """

    def __init__(self, deployment: Deployment, postgres: PostgresServer) -> None:
        self.deployment, self.postgres = deployment, postgres
        self._began = datetime.now(UTC)
        self.scrapes, self.lost = Scrapes(), Counter[str]()
        self.monitored: dict[int, list[str]] = {}
        sites = draw_patients(N_TRAINING, SCENARIO, TRAINING_SEED, N_HOSPITALS).enrolment.sites
        busy = {OUTAGE, CRASH}
        sizes = [BUSY_WEEK if week in busy else USUAL_WEEK for week in range(WEEKS)]
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

    def set_calendar(self, week: int) -> None:
        """Let all clocks show the Monday morning of a week."""
        days = (FIRST_DAY + timedelta(weeks=week) - self._began) / timedelta(days=1)
        move_clock(self.deployment.home, days)

    def live(self, weeks: range) -> None:
        """Go through some weeks."""
        events = {OUTAGE: self._postgres_goes_away, CRASH: self._the_service_crashes}
        for week in weeks:
            self.set_calendar(week)
            if week in events:
                events[week](week)
            else:
                self._report(week)
                self._ask(week)
            self._look_at_the_counters()
            if week in MONITORED:
                self.monitored[week] = self.monitor(f"monitor-{week}")

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

    def _answered(self, more: int) -> Callable[[], bool]:
        enough = self.seen.total() + more
        return lambda: self.seen.total() >= enough

    def _postgres_goes_away(self, week: int) -> None:
        def go_away() -> None:
            wait_for(self._answered(BUSY_WEEK // 4))
            self.postgres.stop()
            # What is reported now is refused, and kept for the next week.
            self._report(week)
            wait_for(lambda: self.seen.total() == sum(each.week <= week for each in self.patients))
            self.postgres.start()

        self._ask(week, go_away, lambda _share: time.sleep(_SECONDS_BETWEEN))
        wait_until_forwarded(self.deployment.running())

    def _the_service_crashes(self, week: int) -> None:
        def crash() -> None:
            wait_for(self._answered(BUSY_WEEK // 4))
            self.deployment.crash()
            # Answers that were on their way have come by then.
            time.sleep(10 * _SECONDS_BETWEEN)
            self.lost = self.seen - self.scrapes.total
            self.scrapes.started_anew()
            self.deployment.start()

        self._report(week)
        self._ask(week, crash, lambda _share: time.sleep(_SECONDS_BETWEEN))
        for hospital in self.hospitals:
            hospital.ask_again()

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
    year.set_calendar(-1)
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
