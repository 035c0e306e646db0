"""The tables of tokens, requests of devices, and failed attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "pnb_token",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("last_used", sa.Double),
        sa.Column("last_address", sa.String(64), nullable=False),
        sa.Column("revoked", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_pnb_token"),
        sa.UniqueConstraint("digest", name="uq_pnb_token_digest"),
    )
    op.create_index("ix_pnb_token_username", "pnb_token", ["username"])
    op.create_table(
        "pnb_device_request",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("device_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("user_code", sa.String(8), nullable=False),
        sa.Column("client_name", sa.String(100), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("user_agent", sa.String(200), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("interval", sa.Integer, nullable=False),
        sa.Column("polled", sa.Double),
        sa.Column("decided", sa.Double),
        sa.Column("username", sa.Text),
        sa.Column("approved_scopes", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_pnb_device_request"),
        sa.UniqueConstraint("device_digest", name="uq_pnb_device_request_device_digest"),
        sa.UniqueConstraint("user_code", name="uq_pnb_device_request_user_code"),
    )
    op.create_table(
        "pnb_failure",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pnb_failure"),
    )
    op.create_index("ix_pnb_failure_subject_at", "pnb_failure", ["subject", "at"])
    op.create_index("ix_pnb_failure_at", "pnb_failure", ["at"])


def downgrade() -> None:
    """Drop the tables, and every token with them."""
    for table in ("pnb_failure", "pnb_device_request", "pnb_token"):
        op.drop_table(table)
