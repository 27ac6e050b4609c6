"""Version 2: outcomes, feedback, and what workers must know of each other."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """Make the four tables."""
    op.create_table(
        "outcomes",
        _sequence(),
        sa.Column("prediction_id", sa.String(36), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("caller", sa.String(200), nullable=False),
        sa.Column("measured_on", sa.Date, nullable=False),
        sa.Column("instrument", sa.String(40)),
        sa.Column("final_total", sa.Float),
        sa.Column("responded", sa.Boolean),
        sqlite_autoincrement=True,
    )
    op.create_index("outcomes_by_prediction", "outcomes", ["prediction_id"])
    op.create_table(
        "feedback",
        _sequence(),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("caller", sa.String(200), nullable=False),
        sa.Column("service", sa.String(200), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "remembered",
        sa.Column("kind", sa.String(40), primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_index("remembered_by_expiry", "remembered", ["expires"])
    op.create_table(
        "buckets",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("tokens", sa.Float, nullable=False),
        sa.Column("filled_at", sa.Float, nullable=False),
    )


def _sequence() -> "sa.Column[int]":
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column("sequence", kind, primary_key=True, autoincrement=True)
