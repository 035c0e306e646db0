"""What values of numpy, pandas, polars, pyarrow and pydantic become in JSON.

A table becomes a list of records; a Series of pandas an object, where its index says more than the number of the row.
What a table misses (NaT, ``pandas.NA``, null, and the NaN of a column of texts) is null. NaN among numbers is not known
to be that, so it is what the request says about NaN.
"""

from __future__ import annotations

import sys
from typing import Any

from .durations import UNITS, duration
from .tables import arrow_table, pandas_cells, pandas_table, polars_table
from .walker import Kind, Walker

#: Kinds of masked arrays whose ``tolist`` tells what is masked.
_MASKED = "fiubSOU"


def _number(walker: Walker, value: Any) -> Any:
    kind = value.dtype.kind
    if kind in "Mm":
        return _moment(walker, value)
    if kind == "f":
        return walker.plain(float(value))
    if kind == "V" and value.dtype.names:
        return walker.members(value, ((name, value[name]) for name in value.dtype.names))
    return walker.plain(value.item())


def _moment(walker: Walker, value: Any) -> Any:
    """Return a datetime64 or timedelta64 as ISO 8601 has it."""
    if value != value:  # noqa: PLR0124 - NaT
        return None
    if value.dtype.kind == "M":
        return str(value)
    unit, count = sys.modules["numpy"].datetime_data(value.dtype)
    ticks = int(value.view("int64")) * count
    if unit in {"Y", "M"}:
        return f"{'-' * (ticks < 0)}P{abs(ticks)}{unit}"
    if unit not in UNITS:
        walker.refuse("a length of time without a unit", "Give it one: numpy.timedelta64(3, 's').")
    digits, factor = UNITS[unit]
    return duration(ticks * factor, digits)


def _array(walker: Walker, value: Any) -> Any:
    walker.spend(2 * value.size)
    kind = value.dtype.kind
    if kind in "iub" or not value.ndim:
        return value.tolist() if kind in "iub" else walker.plain(value.item() if kind in "OUT" else value[()])
    if kind in "MmVcg":  # whose tolist does not tell all
        return walker.items(value, list(value))
    return walker.items(value, value.tolist())


def _masked_array(walker: Walker, value: Any) -> Any:
    if value.dtype.kind in _MASKED:
        return walker.plain(value.tolist())
    return walker.refuse(f"a masked array of {value.dtype}", "Return value.filled().")


def _series(walker: Walker, value: Any) -> Any:
    index = value.index
    cells = pandas_cells(value)
    if _is_default(index) or not index.is_unique:
        return walker.items(value, cells)
    return walker.members(value, zip(pandas_cells(index), cells, strict=True))


def _is_default(index: Any) -> bool:
    kind = type(index).__name__ == "RangeIndex"
    return kind and index.start == 0 and index.step == 1 and index.name is None


def _pydantic(walker: Walker, value: Any) -> Any:
    return walker.plain(value.model_dump(mode="json"))


def _list(walker: Walker, value: Any) -> Any:
    return walker.items(value, pandas_cells(value))


def _lazy(walker: Walker, _: Any) -> Any:
    return walker.refuse("a polars query that has not run", "Return value.collect().")


#: The first that fits counts: NaT is a datetime, a Timestamp too.
KINDS: tuple[Kind, ...] = (
    ("pydantic", "BaseModel", _pydantic),
    ("pandas", "NaT", lambda *_: None),
    ("pandas", "NA", lambda *_: None),
    ("pandas", "DataFrame", lambda walker, value: pandas_table(walker, value).records(walker)),
    ("pandas", "Series", _series),
    ("pandas", "Index", _list),
    ("pandas.api.extensions", "ExtensionArray", _list),
    ("pandas", "Period", lambda _, value: str(value)),
    ("pandas", "Interval", lambda walker, _: walker.refuse("an interval", "Return str(value), or its two ends.")),
    ("polars", "DataFrame", lambda walker, value: polars_table(walker, value).records(walker)),
    ("polars", "Series", lambda walker, value: walker.items(value, value.to_list())),
    ("polars", "LazyFrame", _lazy),
    ("pyarrow", "Table", lambda walker, value: arrow_table(walker, value).records(walker)),
    ("pyarrow", "RecordBatch", lambda walker, value: arrow_table(walker, value).records(walker)),
    ("pyarrow", "Array", lambda walker, value: walker.items(value, value.to_pylist())),
    ("pyarrow", "ChunkedArray", lambda walker, value: walker.items(value, value.to_pylist())),
    ("pyarrow", "Scalar", lambda walker, value: walker.plain(value.as_py())),
    ("numpy.ma", "MaskedArray", _masked_array),
    ("numpy", "ndarray", _array),
    ("numpy", "str_", lambda walker, value: walker.plain(str(value))),
    ("numpy", "bytes_", lambda walker, value: walker.plain(bytes(value))),
    ("numpy", "generic", _number),
)
