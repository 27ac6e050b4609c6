"""Tables are migrated, never made anew, and only as far as this release knows."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from ledgers import NOW, PostgresServer, entry, rows_of

from data_schemas.errors import ServiceError
from serving.ledger.database import Database
from serving.ledger.entries import insert_once
from serving.ledger.schema import VERSIONS, current_version, upgrade
from serving.ledger.tables import metadata

ROOT = Path(__file__).resolve().parents[3]
UPGRADE = (
    "import sys; from serving.ledger.database import Database\n"
    "from serving.ledger.schema import upgrade\n"
    "upgrade(Database(sys.argv[1]))"
)


def test_the_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    with database.reading() as connection:
        assert current_version(connection) == VERSIONS[-1]
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_ledger_of_version_1_keeps_its_rows(url: str) -> None:
    database = Database(url)
    upgrade(database, "1")
    [row] = entry().rows
    with database.transaction() as connection:
        connection.execute(insert_once(connection, "predictions"), row)
        assert not sa.inspect(connection).has_table("outcomes")
    upgrade(database)
    upgrade(database)  # nothing is left to do
    with database.reading() as connection:
        assert current_version(connection) == VERSIONS[-1]
        assert sa.inspect(connection).has_table("outcomes")
    [kept] = rows_of(url)
    assert kept == {**row, "sequence": 1, "recorded_at": NOW}
    database.close()


def test_a_newer_ledger_is_refused_and_left_alone(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '99'"))
    with pytest.raises(ServiceError, match="has tables of version 99"):
        upgrade(database)
    with database.reading() as connection:
        assert current_version(connection) == "99"


def test_processes_that_start_at_once_migrate_once(url: str) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", UPGRADE, url], cwd=ROOT, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    failures = [process.communicate(timeout=60)[1].decode() for process in started]
    assert failures == ["", ""]
    assert [process.returncode for process in started] == [0, 0]
    assert rows_of(url) == []


def test_a_migration_that_is_cut_short_leaves_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import serving.ledger.schema as module

    database, migrate = Database(url), module._migrate

    def fail_after(connection: sa.Connection, version: str) -> None:
        migrate(connection, version)
        raise ZeroDivisionError

    monkeypatch.setattr(module, "_migrate", fail_after)
    with pytest.raises(ZeroDivisionError):
        upgrade(database)
    with database.reading() as connection:
        assert sa.inspect(connection).get_table_names() == []
    database.close()


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "ledger.db"
    database = Database(f"sqlite:///{file}")
    upgrade(database)
    beside = list(file.parent.iterdir())
    assert {path.stat().st_mode & 0o777 for path in beside} == {0o600}
    assert len(beside) == 4  # with its log, the index of that and the lock
    assert file.parent.stat().st_mode & 0o777 == 0o700
    database.close()


def test_sqlite_outlives_a_power_cut(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    with database.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
    database.close()


def test_postgres_is_asked_to_commit_to_disk(postgres: PostgresServer) -> None:
    database = Database(postgres.new_database())
    with database.reading() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    database.close()
