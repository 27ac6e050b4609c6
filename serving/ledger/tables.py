"""The tables of the ledger; `migrations/` makes them, and a test holds the two together."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

metadata: Final = MetaData()

# SQLite counts up only in a column that is exactly INTEGER.
Sequence = BigInteger().with_variant(Integer, "sqlite")


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite keeps no zone, so that it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment in UTC."""
        del dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment with its zone."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


predictions: Final = Table(
    "predictions",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("prediction_id", String(36), nullable=False, unique=True),
    Column("recorded_at", UtcTime, nullable=False),
    Column("route", String(200), nullable=False),
    Column("caller", String(200), nullable=False),
    Column("pseudonym", String(64)),
    Column("key_id", String(16)),
    Column("model_name", String(200), nullable=False),
    Column("model_version", String(200), nullable=False),
    Column("instrument", String(40), nullable=False),
    Column("features", Text, nullable=False),
    Column("probability", Float),
    Column("interval_lower", Float),
    Column("interval_upper", Float),
    Column("interval_level", Float),
    Column("abstained", Boolean, nullable=False),
    Column("notices", Text, nullable=False),
    Index("predictions_by_pseudonym", "pseudonym"),
    Index("predictions_by_time", "recorded_at"),
    sqlite_autoincrement=True,
)

answers: Final = Table(
    "answers",
    metadata,
    Column("caller", String(200), primary_key=True),
    Column("idempotency_key", String(128), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("pseudonym", String(64)),
    Column("media_type", String(100), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("stored_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Index("answers_by_pseudonym", "pseudonym"),
    Index("answers_by_expiry", "expires_at"),
)

outcomes: Final = Table(
    "outcomes",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("prediction_id", String(36), nullable=False),
    Column("recorded_at", UtcTime, nullable=False),
    Column("caller", String(200), nullable=False),
    Column("measured_on", Date, nullable=False),
    Column("instrument", String(40)),
    Column("final_total", Float),
    Column("responded", Boolean),
    Index("outcomes_by_prediction", "prediction_id"),
    sqlite_autoincrement=True,
)

feedback: Final = Table(
    "feedback",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("recorded_at", UtcTime, nullable=False),
    Column("caller", String(200), nullable=False),
    Column("service", String(200), nullable=False),
    Column("content", Text, nullable=False),
    sqlite_autoincrement=True,
)

remembered: Final = Table(
    "remembered",
    metadata,
    Column("kind", String(40), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("expires", Float, nullable=False),
    Index("remembered_by_expiry", "expires"),
)

buckets: Final = Table(
    "buckets",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("filled_at", Float, nullable=False),
)
