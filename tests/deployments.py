"""A service as a hospital runs it, by the command line, which can crash and be started again."""

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from fresh_process import COMMAND, environment, free_port, tms_response
from prometheus_client.parser import text_string_to_metric_families
from real_servers import Service, wait_until_ready
from service_faults import wait_for

from serving.settings import KEYS_VARIABLE, LEDGER_VARIABLE, OUTBOX_VARIABLE

_WORKERS = 2
_CHAMPION = "models:/tms-response@champion"


class Deployment:
    """`tms-response serve` on the champion, with keys and a ledger, in a folder of its own.

    Parameters
    ----------
    home : Path
        Folder with MLflow's store, in which all commands are run.
    ledger : str
        Its address.
    settings : mapping
        Further variables, of the service and of the commands.
    """

    def __init__(self, home: Path, ledger: str, settings: Mapping[str, str]) -> None:
        # What a killed process leaves behind for others to clean is removed with the folder.
        (home / "tmp").mkdir()
        self.home, self.ledger, self.port = home, ledger, free_port()
        self.settings = {
            **settings, LEDGER_VARIABLE: ledger, KEYS_VARIABLE: str(home / "keys.jsonl"),
            OUTBOX_VARIABLE: str(home / "outbox.db"), "TMPDIR": str(home / "tmp"),
        }  # fmt: skip
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        self._service: Service | None = None
        self._headers = {"Authorization": f"Bearer {self.new_key('admin')}"}

    def run(self, *arguments: object, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
        """Run a command beside the service, and expect this exit code, or any."""
        return tms_response(*arguments, cwd=self.home, code=code, settings=self.settings)

    def new_key(self, *scopes: str) -> str:
        """Make a key for a caller."""
        named = [word for scope in scopes for word in ("--scope", scope)]
        return self.run("key", "new", *named).stdout.strip()

    def start(self) -> None:
        """Start the service, and wait until all workers answer."""
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen(
                [COMMAND, "serve", "--model", _CHAMPION, "--port", str(self.port),
                 "--workers", str(_WORKERS)],
                cwd=self.home, env={**environment(), **self.settings},
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._service = Service(process, self.port, self.home, self.ledger, self._headers)
        wait_until_ready(process, self._client)
        wait_for(lambda: self.running().ready_workers(self._client) == _WORKERS)

    def running(self) -> Service:
        """Return the service that was started last."""
        assert self._service is not None
        return self._service

    def crash(self) -> None:
        """Kill all of its processes at once."""
        service = self.running()
        for process in (service.process.pid, *service.workers()):
            os.kill(process, signal.SIGKILL)
        service.process.wait(30)
        wait_for(lambda: not service.workers())

    def stop(self) -> None:
        """End it as the machine's own supervisor would."""
        self._client.close()
        if self._service is not None and self._service.process.poll() is None:
            self._service.process.send_signal(signal.SIGTERM)
            self._service.process.wait(90)

    def counted(self, name: str, label: str) -> dict[str, float]:
        """Return what `/metrics` tells of all workers now, by one label."""
        text = self._client.get("/metrics", headers=self._headers).raise_for_status().text
        return samples(text, name, label)


def samples(text: str, name: str, label: str, **others: str) -> dict[str, float]:
    """Return the samples of a name in Prometheus' text format, by one label.

    Parameters
    ----------
    **others
        Further labels that the samples must have; as everywhere in Prometheus, one that is absent
        is empty.
    """
    return {
        sample.labels[label]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
        and all(sample.labels.get(each, "") == value for each, value in others.items())
    }


@dataclass
class Scrapes:
    """A counter of `/metrics` over the lives of a service, added up as Prometheus does.

    Attributes
    ----------
    total : Counter
        By label.
    """

    total: "Counter[str]" = field(default_factory=Counter)
    _latest: dict[str, float] = field(default_factory=dict)

    def add(self, found: dict[str, float]) -> None:
        """Add what was counted since the last look."""
        for label, value in found.items():
            grown = value - self._latest.get(label, 0)
            assert grown >= 0, "a counter went back"
            self.total[label] += round(grown)
        self._latest = found

    def started_anew(self) -> None:
        """Know that the counters begin at zero again."""
        self._latest = {}
