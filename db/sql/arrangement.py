"""Which columns of an answer are shown, and in which order its rows stand."""

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa


@dataclass(frozen=True)
class Arrangement:
    """The columns to show (all where none is named), and the column that the rows are sorted by, if any."""

    columns: tuple[str, ...] = ()
    sort: str = ""
    descending: bool = False

    def sorted(self, frame: pd.DataFrame) -> pd.DataFrame:
        """All columns of an answer, sorted: equal rows stay in order, rows without a value come last."""
        if not self.sort:
            return frame
        return frame.sort_values(self.sort, ascending=not self.descending, kind="stable", ignore_index=True)

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The answer as it is shown."""
        found = self.sorted(frame)
        return found[list(self.columns)] if self.columns else found

    def code(self) -> list[str]:
        """The same as lines of Python.

        >>> Arrangement(("unit",), "lift", descending=True).code()[0]
        "frame = frame.sort_values('lift', ascending=False, kind='stable', ignore_index=True)"
        """
        lines = []
        if self.sort:
            order = f"ascending={not self.descending}, kind='stable', ignore_index=True"
            lines.append(f"frame = frame.sort_values({self.sort!r}, {order})")
        if self.columns:
            lines.append(f"frame = frame[{list(self.columns)!r}]")
        return lines


def sortable(frame: pd.DataFrame, table: pa.Table) -> list[str]:
    """The columns of an answer whose values have an order: not lists, structs and maps."""
    kinds = zip(frame.columns, table.schema.types, strict=True)
    return [str(name) for name, kind in kinds if not pa.types.is_nested(kind)]
