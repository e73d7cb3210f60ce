"""Alembic's migrations of the workspace; `db.workspace` runs them when it opens an older one."""
