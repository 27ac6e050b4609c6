"""Version 1: predictions, and the answers kept for repeated requests."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "predictions",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("prediction_id", sa.String(36), nullable=False, unique=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("route", sa.String(200), nullable=False),
        sa.Column("caller", sa.String(200), nullable=False),
        sa.Column("pseudonym", sa.String(64)),
        sa.Column("key_id", sa.String(16)),
        sa.Column("model_name", sa.String(200), nullable=False),
        sa.Column("model_version", sa.String(200), nullable=False),
        sa.Column("instrument", sa.String(40), nullable=False),
        sa.Column("features", sa.Text, nullable=False),
        sa.Column("probability", sa.Float),
        sa.Column("interval_lower", sa.Float),
        sa.Column("interval_upper", sa.Float),
        sa.Column("interval_level", sa.Float),
        sa.Column("abstained", sa.Boolean, nullable=False),
        sa.Column("notices", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("predictions_by_pseudonym", "predictions", ["pseudonym"])
    op.create_index("predictions_by_time", "predictions", ["recorded_at"])
    op.create_table(
        "answers",
        sa.Column("caller", sa.String(200), primary_key=True),
        sa.Column("idempotency_key", sa.String(128), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("pseudonym", sa.String(64)),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("answers_by_pseudonym", "answers", ["pseudonym"])
    op.create_index("answers_by_expiry", "answers", ["expires_at"])
