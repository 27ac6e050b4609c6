"""`tms-response ledger COMMAND`: take out, delete and forget what was recorded.

Imports of that work stand inside the commands, so that `--help` answers at once.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data_schemas.errors import DataError, UsageError

if TYPE_CHECKING:
    from serving.ledger.database import Database
    from serving.ledger.retention import Deleted

app = typer.Typer(help="Read and tidy the ledger of predictions.", rich_markup_mode=None)

_MINIMUM_DAYS = 1
_MAXIMUM_DAYS = 36_500


def _moment(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        message = "--since is a date or time such as 2026-03-31 or 2026-03-31T12:00:00Z."
        raise UsageError(message) from None
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="File to write: .csv or .parquet.")],
    since: Annotated[
        str | None, typer.Option(help="Only what was recorded from this moment on, in UTC.")
    ] = None,
) -> None:
    """Write all predictions with their features and latest outcomes into one table."""
    from serving.ledger.export import check_export_path, ledger_table, write_ledger_table

    check_export_path(out)
    moment = None if since is None else _moment(since)
    with _ledger() as (ledger, *_):
        table = ledger_table(ledger, moment)
    write_ledger_table(table, out)
    typer.echo(f"Ledger with {len(table)} predictions: {out}")


@app.command()
def delete(
    pseudonym: Annotated[
        str | None, typer.Option(help="The patient's pseudonym; without it, the patient is asked.")
    ] = None,
) -> None:
    """Delete all that is recorded of one patient.

    Without --pseudonym, the patient's identifier is read from standard input, so that it stays out
    of the shell's history; it is looked for under every key.
    """
    from serving.ledger.retention import delete_patient

    names = _names_of_a_patient() if pseudonym is None else {pseudonym}
    deleted = _in_every_database(lambda database: delete_patient(database, names))
    if not deleted.predictions:
        raise DataError("The ledger holds no prediction of this patient; nothing was deleted.")
    _say(deleted)


@app.command()
def purge(
    older_than: Annotated[
        int, typer.Option(help="Age in days.", min=_MINIMUM_DAYS, max=_MAXIMUM_DAYS)
    ],
) -> None:
    """Delete predictions that are older, with their outcomes."""
    from serving.ledger.retention import purge as delete_older

    before = datetime.now(UTC) - timedelta(days=older_than)
    _say(_in_every_database(lambda database: delete_older(database, before)))


def _names_of_a_patient() -> set[str]:
    from serving.ledger.start import pseudonym_keys

    keys = pseudonym_keys()
    if sys.stdin.isatty():
        patient: str = typer.prompt("Patient-Id", hide_input=True)
    else:
        patient = sys.stdin.readline().strip()
    if not patient:
        raise UsageError("Name the patient: --pseudonym, or the identifier on standard input.")
    return {each.value for each in keys.every_pseudonym(patient)}


def _in_every_database(change: "Callable[[Database], Deleted]") -> "Deleted":
    from serving.ledger.retention import Deleted

    deleted = Deleted(0, 0)
    with _ledger() as databases:
        for database in databases:
            deleted += change(database)
    return deleted


@contextmanager
def _ledger() -> "Iterator[list[Database]]":
    """Give the ledger and, where one is used, its outbox, brought up to date."""
    from serving.ledger.database import Database
    from serving.ledger.schema import upgrade
    from serving.ledger.start import existing_ledger_url
    from serving.settings import outbox_file

    databases = [Database(existing_ledger_url())]
    if databases[0].is_postgres and outbox_file().is_file():
        databases.append(Database(f"sqlite:///{outbox_file()}"))
    try:
        for database in databases:
            upgrade(database)
        yield databases
    finally:
        for database in databases:
            database.close()


def _say(deleted: "Deleted") -> None:
    typer.echo(f"Deleted: {deleted.predictions} predictions, {deleted.outcomes} outcomes.")
