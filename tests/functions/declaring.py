"""What the tests of parameters share: cells, and what a call makes of them."""

import pytest

from pyramid_notebook.errors import BadParameters
from pyramid_notebook.functions.signature import Signature

COLOR = """\
from enum import Enum, auto
class Color(Enum):
    RED = "red"
    GREEN = "green"
"""
EVERYTHING = (
    COLOR
    + """\
i: int
f = 2.5
s = "a"
b = False
d: date = date(2020, 1, 2)
when: datetime = None
at = time(8, 30)
span: timedelta = timedelta(hours=1)
money = Decimal("1.5")
key: UUID = UUID("12345678123456781234567812345678")
anything = None
numbers = [1, 2]
table: dict[str, float] = {}
counts: dict[int, list[int]] = {}
pair: tuple[int, str] = (1, "a")
unique: set[str] = {"a", "b"}
size: Literal["s", 3, True, None] = "s"
color: Color = Color.RED
colors: list[Color] = []
either: int | str = 3
maybe: Optional[int] = None
mixed: int | list[int] = 1
limited: Annotated[int, Field(ge=0, le=10)] = 3
"""
)


def of(*sources, **keywords):
    return Signature.of(sources, **keywords)


def names(*sources):
    return [parameter.name for parameter in of(*sources).parameters]


def only(source):
    (parameter,) = of(source).parameters
    return parameter


def value(source, given):
    """Return what JSON binds to the only parameter of a cell."""
    signature = of(source)
    (name,) = (parameter.name for parameter in signature.parameters)
    return signature.bind({name: given})[name]


def text(source, *texts):
    """Return what a query string binds to the only parameter of a cell."""
    signature = of(source)
    (name,) = (parameter.name for parameter in signature.parameters)
    return signature.bind_query([(name, text) for text in texts])[name]


def faults(bind, given):
    with pytest.raises(BadParameters) as caught:
        bind(given)
    return [(fault.name, fault.code) for fault in caught.value.faults]


def refused(source, given):
    signature = of(source)
    return faults(signature.bind, {signature.parameters[0].name: given})


def schema(source):
    return dict(only(source).schema)
