"""Data frames into the types of the schema: Arrow in the middle, because bulk rows never go in one by one."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from db.errors import StoreError

_ARROW: dict[type, pa.DataType] = {
    sa.Text: pa.string(),
    sa.BigInteger: pa.int64(),
    sa.Double: pa.float64(),
    sa.Boolean: pa.bool_(),
    sa.DateTime: pa.timestamp("us"),
}


def arrow_type(column: sa.Column[Any]) -> pa.DataType:
    return next(arrow for kind, arrow in _ARROW.items() if isinstance(column.type, kind))


def conform(table: sa.Table, rows: pd.DataFrame | pa.Table, **constant: Any) -> pa.Table:
    """The rows as the schema has them: its columns, order and types; a missing column is NULL.

    Raises StoreError when there is a column that the schema does not have, or a value that does not fit.
    """
    unknown = sorted(set(_names(rows)) - set(table.c.keys()))
    if unknown:
        raise StoreError(
            f"Table {table.name} has no column {unknown[0]!r}; add it to db/schema, with a comment."
        )
    columns = [_column(c, rows, constant) for c in table.columns]
    return pa.table(columns, names=table.c.keys())


def row(table: sa.Table, values: Mapping[str, Any]) -> pa.Table:
    """One row from a mapping."""
    return conform(
        table, pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in values.items()})
    )


def _names(rows: pd.DataFrame | pa.Table) -> list[str]:
    return list(rows.columns) if isinstance(rows, pd.DataFrame) else list(rows.column_names)


def _column(column: sa.Column[Any], rows: pd.DataFrame | pa.Table, constant: Mapping[str, Any]) -> Any:
    kind = arrow_type(column)
    if column.name in constant:
        return pa.repeat(pa.scalar(constant[column.name], kind), len(rows))
    if column.name not in _names(rows):
        return pa.nulls(len(rows), kind)
    try:
        values = rows[column.name]
        if isinstance(values, pa.ChunkedArray):
            return values.cast(kind)
        if pa.types.is_timestamp(kind):
            values = pd.to_datetime(values, utc=True, format="ISO8601").dt.tz_localize(None)
        elif values.dtype == object:
            values = values.map(plain, na_action="ignore")
        if pa.types.is_string(kind):
            values = values.astype(object).map(_text, na_action="ignore")
        return pa.array(values, type=kind, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError) as error:
        raise StoreError(
            f"Column {column.table.name}.{column.name} does not fit its type: {error}"
        ) from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def plain(value: Any) -> Any:
    """A value as JSON and SQL can have it: lists joined by commas, mappings as JSON."""
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True, default=str)
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
