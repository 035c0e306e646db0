"""Tables of pandas, polars and pyarrow: their columns as plain values, and as CSV, Parquet and Arrow.

A row's number is not told: of pandas, an index that is unnamed whole numbers. Any other index becomes the first
columns.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ...errors import BadResult
from .walker import Unfit, Walker, class_name, is_a, too_large


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of plain values.

    Attributes:
        names: of the columns, each once.
        columns: their values, as many in each.
        length: how many rows there are.
    """

    names: Sequence[str]
    columns: Sequence[Sequence[Any]]
    length: int

    def records(self, walker: Walker) -> list[dict[str, Any]]:
        """Return the rows as objects."""
        walker.spend(self.length * sum(len(name) + 3 for name in self.names))  # "":
        return [dict(zip(self.names, row, strict=True)) for row in self.rows()]

    def rows(self) -> Iterable[tuple[Any, ...]]:
        """Return the rows, each from left to right."""
        return zip(*self.columns, strict=True) if self.columns else [()] * self.length


def pandas_cells(values: Any, *, nan_is_missing: bool = False) -> list[Any]:
    """Return the values of a Series, Index or array of pandas.

    Args:
        values: where they are.
        nan_is_missing: whether NaN among numbers is told as None, as in a column of texts, where it is nothing else.
    """
    cells: list[Any] = values.tolist()
    if nan_is_missing or is_a(values.dtype, "pandas", "StringDtype", "CategoricalDtype"):
        return [None if gap else cell for cell, gap in zip(cells, values.isna().tolist(), strict=True)]
    return cells


def pandas_table(walker: Walker, frame: Any, *, nan_is_missing: bool = False) -> Table:
    """Return the table that a DataFrame is."""
    index = frame.index
    levels = [index.get_level_values(number) for number in range(index.nlevels)] if _is_told(index) else []
    names = [_level_name(level.name, number, len(levels)) for number, level in enumerate(levels)]
    series = [*levels, *(frame.iloc[:, number] for number in range(frame.shape[1]))]
    cells = (pandas_cells(item, nan_is_missing=nan_is_missing) for item in series)
    return _table(walker, [*names, *frame.columns], cells, len(frame))


def _is_told(index: Any) -> bool:
    return bool(index.nlevels > 1 or index.name is not None or index.dtype.kind not in "iu")


def _level_name(name: Any, number: int, levels: int) -> Any:
    if name is not None:
        return name
    return f"level_{number}" if levels > 1 else "index"


def polars_table(walker: Walker, frame: Any) -> Table:
    """Return the table that a polars DataFrame is; its times come in microseconds."""
    return _table(walker, frame.columns, (column.to_list() for column in frame.get_columns()), frame.height)


def arrow_table(walker: Walker, table: Any) -> Table:
    """Return the table that a Table or RecordBatch of pyarrow is."""
    columns = (column.to_pylist() for column in table.columns)
    return _table(walker, table.schema.names, columns, table.num_rows)


def _table(walker: Walker, keys: Sequence[Any], columns: Iterable[Sequence[Any]], length: int) -> Table:
    walker.spend(2 * length * len(keys))
    names = [walker.key(key) for key in keys]
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise BadResult(f'Two columns of {walker.place} have the name "{twice:.60}". Give them different names.')
    return Table(names, [walker.column(name, cells) for name, cells in zip(names, columns, strict=True)], length)


def table_of(walker: Walker, value: Any) -> Table | None:
    """Return the table that a value of a library is, for CSV; None where it is none.

    NaN in pandas is an empty field, as its own ``to_csv`` has it.
    """
    frame = _as_frame(value)
    if is_a(frame, "pandas", "DataFrame"):
        return pandas_table(walker, frame, nan_is_missing=True)
    if is_a(frame, "polars", "DataFrame"):
        return polars_table(walker, frame)
    if is_a(frame, "pyarrow", "Table", "RecordBatch"):
        return arrow_table(walker, frame)
    return None


def _as_frame(value: Any) -> Any:
    """Return a Series as a table with one column, anything else as it is."""
    if is_a(value, "pandas", "Series"):
        return value.to_frame("value" if value.name is None else value.name)
    if is_a(value, "polars", "Series"):
        return value.to_frame(value.name or "value")
    if is_a(value, "polars", "LazyFrame"):
        raise BadResult("The result is a polars query that has not run. Return value.collect().")
    return value


def csv_body(walker: Walker, value: Any) -> bytes:
    """Return a table as CSV (RFC 4180) in UTF-8, with the names in the first line.

    A table is one of a library, a list of objects (whose names are the union of theirs), or a list of lists, which has
    no names. What is missing is an empty field. Texts are told as they are: a spreadsheet may take one that begins with
    ``=`` for a formula.

    Args:
        walker: makes the values plain, with a policy for NaN other than ``error``.
        value: any.

    Raises:
        Unfit: the value is no table.
    """
    table = table_of(walker, value)
    if table is not None:
        return _csv(walker, table.names, table.rows())
    plain = walker.plain(value)
    if isinstance(plain, list) and all(isinstance(row, dict) for row in plain):
        names = list(dict.fromkeys(name for row in plain for name in row))
        return _csv(walker, names, ([row.get(name) for name in names] for row in plain))
    if isinstance(plain, list) and all(isinstance(row, list) for row in plain):
        return _csv(walker, None, plain)
    raise Unfit(f"The result is of the type {class_name(value)}, and CSV is for tables and lists of lists or objects.")


def _csv(walker: Walker, names: Sequence[str] | None, rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    if names:
        writer.writerow(names)
    for number, row in enumerate(rows):
        writer.writerow([_field(number, cell) for cell in row])
        if text.tell() > walker.most_bytes:
            raise too_large("CSV", text.tell(), walker.most_bytes, at_least=True)
    return text.getvalue().encode()


def _field(row: int, cell: Any) -> Any:
    if isinstance(cell, list | dict):
        kind = "list" if isinstance(cell, list) else "object"
        raise BadResult(f"Row {row + 1} of the table holds a {kind}, and a field of CSV is a text or a number.")
    return {None: "", True: "true", False: "false"}[cell] if cell is None or isinstance(cell, bool) else cell


def parquet_body(value: Any) -> bytes:
    """Return a table of a library as Apache Parquet.

    Raises:
        Unfit: it is none.
        BadResult: the package for that is missing, or refuses the table.
    """
    frame = _as_frame(value)
    sink = io.BytesIO()
    if is_a(frame, "polars", "DataFrame"):
        frame.write_parquet(sink)
    else:
        table = _arrow(frame, "Parquet")
        sys.modules["pyarrow.parquet"].write_table(table, sink)
    return sink.getvalue()


def arrow_body(value: Any) -> bytes:
    """Return a table of a library as a stream of Apache Arrow's IPC format.

    Raises:
        Unfit: it is none.
        BadResult: the package for that is missing, or refuses the table.
    """
    frame = _as_frame(value)
    sink = io.BytesIO()
    if is_a(frame, "polars", "DataFrame"):
        frame.write_ipc_stream(sink)
    else:
        table = _arrow(frame, "Arrow")
        with sys.modules["pyarrow"].ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    return sink.getvalue()


def _arrow(frame: Any, what: str) -> Any:
    """Return a table as one of pyarrow, which is imported where the notebook has not done it."""
    if not is_a(frame, "pandas", "DataFrame") and not is_a(frame, "pyarrow", "Table", "RecordBatch"):
        raise Unfit(
            f"The result is of the type {class_name(frame)}, and {what} is for tables of pandas, polars or pyarrow."
        )
    try:
        pyarrow: Any = import_module("pyarrow")
        import_module("pyarrow.parquet")
    except ImportError:
        raise BadResult(
            f"{what} of a pandas table needs the package pyarrow where the notebook runs. Install it there, or ask for "
            "format=csv."
        ) from None
    if is_a(frame, "pyarrow", "RecordBatch"):
        return pyarrow.Table.from_batches([frame])
    if is_a(frame, "pandas", "DataFrame"):
        return pyarrow.Table.from_pandas(frame, nthreads=1)
    return frame
