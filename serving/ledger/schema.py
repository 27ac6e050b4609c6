"""The version of a ledger's tables: brought up to date at start, and never made anew."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from data_schemas.errors import ServiceError
from serving.ledger.database import Database

VERSIONS: Final = ("1", "2")
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_POSTGRES_LOCK: Final = 7305121  # any number that no other program of the database uses


def upgrade(database: Database, version: str = VERSIONS[-1]) -> None:
    """Bring a database's tables to a version, under a lock and in one transaction.

    Of several workers that start at once, one migrates and the others find it done.

    Parameters
    ----------
    database : Database
        Empty, or a ledger.
    version : str
        One of `VERSIONS`.

    Raises
    ------
    LedgerUnavailableError
        When the database is away or cannot be written.
    ServiceError
        When a newer release wrote the tables; nothing is changed then.
    """
    with database.transaction() as connection:
        if database.is_postgres:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})"))
        current = current_version(connection)
        if current is not None and current not in VERSIONS:
            raise ServiceError(
                f"The ledger has tables of version {current}, and this release knows versions up "
                f"to {VERSIONS[-1]}. Install the release that wrote it, or name another ledger."
            )
        if current != version:
            _migrate(connection, version)


def current_version(connection: Connection) -> str | None:
    """Return the version of the tables; None where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _migrate(connection: Connection, version: str) -> None:
    # Slow to import, and needed once in a ledger's life.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, version)
