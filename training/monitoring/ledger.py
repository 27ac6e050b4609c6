"""Reading the ledger that the environment names."""

from datetime import datetime

import pandas as pd

from serving.ledger.database import Database
from serving.ledger.export import ledger_table
from serving.ledger.schema import upgrade
from serving.ledger.start import existing_ledger_url


def read_ledger(since: datetime | None = None) -> pd.DataFrame:
    """Return all predictions with their features and latest outcomes.

    Parameters
    ----------
    since : datetime or None
        Only predictions recorded at or after this moment.

    Returns
    -------
    DataFrame
        As `serving.ledger.export.ledger_table` returns it.

    Raises
    ------
    ConfigurationError
        When there is no ledger.
    ServiceError
        When it cannot be read, or a newer release wrote it.
    """
    database = Database(existing_ledger_url())
    try:
        upgrade(database)
        return ledger_table(database, since)
    finally:
        database.close()
