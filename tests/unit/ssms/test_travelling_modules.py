"""Classes of a project in several modules, from the programs of the project to a host that has none of its files."""

from __future__ import annotations

from pathlib import Path

from tests.unit.ssms.scripts import run, write

MODELS = """
from __future__ import annotations
import datetime as dt
import enum
from dataclasses import dataclass, field
from typing import NamedTuple
from pydantic import BaseModel

class State(enum.Enum):
    OPEN = "open"
    PAID = "paid"

class Money(NamedTuple):
    cents: int

@dataclass
class Audit:
    at: dt.date
    notes: list[Money] = field(default_factory=list)

class Line(BaseModel):
    sku: str
    state: State = State.OPEN

class Missing(Exception):
    def __init__(self, sku: str) -> None:
        super().__init__(sku)
        self.sku = sku
"""

MIXINS = """
from __future__ import annotations
import abc
import datetime as dt
from automata import Map, readonly
from shop import models
from shop.models import Audit

class Dated(abc.ABC):
    @abc.abstractmethod
    def note(self, day: int) -> None: ...

class Audited(Dated):
    last: dt.date | None = None
    audits: Map[str, Audit]

    def note(self, day: int) -> None:
        self.last = dt.date(2020, 1, day)
        self.audits[str(day)] = Audit(self.last, [models.Money(day)])

    @readonly
    async def notes(self) -> list[Audit]:
        return list(self.audits.values())
"""

STOCK = """
from __future__ import annotations
from typing import TYPE_CHECKING
from automata import Ref, object_type, ref
from shop import models, prices
from shop.mixins import Audited

if TYPE_CHECKING:
    from shop.basket import Basket

@object_type
class Stock(Audited):
    key: str
    left: int = 1
    last_to: Ref[Basket] | None = None

    async def take(self, line: models.Line, who: Ref[Basket]) -> models.State:
        if not self.left:
            raise models.Missing(line.sku)
        self.left -= 1
        self.last_to = who
        self.note(prices.price(line))
        return models.State.PAID
"""

PRICES = """
import functools
from shop import models, stock

@functools.cache
def rate(times):
    from shop import rates
    return rates.RATE * times

def price(line):
    from shop.models import State
    assert stock.Stock.__name__ == "Stock"
    return rate(1) if line.state is State.OPEN else 2
"""

BASKET = """
from __future__ import annotations
from automata import List, object_type, ref
from shop.models import Line, Missing, State
from shop.stock import Stock

@object_type
class Basket:
    lines: List[Line]
    paid: int = 0

    async def bought(self) -> list[Line]:
        return list(self.lines)

    async def take(self, line: Line) -> str:
        try:
            state = await ref(Stock, line.sku).take(line, ref(self))
        except Missing as missing:
            return f"no {missing.sku}"
        self.lines.append(line)
        self.paid += state is State.PAID
        return "paid" if state is State.PAID else "open"
"""

SHOP = {
    "shop/__init__.py": "",
    "shop/models.py": MODELS,
    "shop/mixins.py": MIXINS,
    "shop/prices.py": PRICES,
    "shop/rates.py": "RATE = 1\n",
    "shop/stock.py": STOCK,
    "shop/basket.py": BASKET,
}

DRIVER = """
import sys
import shop.rates
from shop.basket import Basket
from shop.stock import Stock
from ssms.packing import pack
for cls in ({types},):
    open("../" + cls.__name__ + "{version}.type", "wb").write(pack(cls).encode())
"""

HOST = """
import asyncio
from pathlib import Path
from automata import ref
import ssms
from ssms.deployed import DeployedType

def load(*names):
    for name in names:
        DeployedType.decode(Path(name + ".type").read_bytes()).load()

async def main():
    async with ssms.open("data"):
{body}

asyncio.run(main())
"""

BUY = """
        Line = __import__("sys").modules["shop.models"].Line
        print(await ref("Basket", "b").take(Line(sku="tea")))
        print(await ref("Basket", "b").take(Line(sku="tea")))
        print(await ref("Stock", "tea").notes())
"""
BOUGHT = "paid\nno tea\n[Audit(at=datetime.date(2020, 1, 1), notes=[Money(cents=1)])]\n"


def drive(folder: Path, files: dict[str, str], types: str, version: str = "") -> None:
    """One program of the project, in a folder of its own, deploys types."""
    project = folder / f"project{version}"
    write(project, files)
    run(DRIVER.format(types=types, version=version), project, "driver.py")


def host(folder: Path, body: str) -> str:
    """A host runs this, with `load` and `ref`."""
    return run(HOST.format(body=body), folder, "host.py")


def test_a_project_of_several_modules_runs_where_none_of_them_is(tmp_path: Path) -> None:
    drive(tmp_path, SHOP, "Basket, Stock")
    assert host(tmp_path, "        load('Basket', 'Stock')" + BUY) == BOUGHT


def test_types_are_loaded_in_any_order(tmp_path: Path) -> None:
    drive(tmp_path, SHOP, "Basket, Stock")
    assert host(tmp_path, "        load('Stock', 'Basket')" + BUY) == BOUGHT


def test_a_type_that_came_along_with_another_does_not_replace_what_was_deployed(tmp_path: Path) -> None:
    drive(tmp_path, SHOP, "Basket, Stock")
    newer = {**SHOP, "shop/stock.py": STOCK.replace("left: int = 1", "left: int = 0")}
    drive(tmp_path, newer, "Stock", "2")
    body = "        load('Basket', 'Stock', 'Stock2', 'Basket')" + BUY
    assert host(tmp_path, body) == "no tea\nno tea\n[]\n"


def test_a_class_that_changed_in_another_module_is_deployed_with_what_it_holds_now(tmp_path: Path) -> None:
    drive(tmp_path, SHOP, "Basket, Stock")
    longer = MODELS.replace("    sku: str\n    state", "    sku: str\n    gift: bool = False\n    state")
    drive(tmp_path, {**SHOP, "shop/models.py": longer}, "Basket, Stock", "2")
    body = """
        load('Basket', 'Stock', 'Basket2', 'Stock2')
        Line = __import__("sys").modules["shop.models"].Line
        print(await ref("Basket", "b").take(Line(sku="tea", gift=True)))
        print((await ref("Basket", "b").bought())[0].gift)
"""
    assert host(tmp_path, body) == "paid\nTrue\n"


def test_a_type_of_older_code_passes_what_newer_code_gives_it(tmp_path: Path) -> None:
    drive(tmp_path, SHOP, "Basket, Stock")
    longer = MODELS.replace("    sku: str\n    state", "    sku: str\n    gift: bool = False\n    state")
    drive(tmp_path, {**SHOP, "shop/models.py": longer}, "Stock", "2")
    assert host(tmp_path, "        load('Basket', 'Stock', 'Stock2', 'Basket')" + BUY) == BOUGHT


def test_two_programs_of_one_project_deploy_types_that_call_each_other(tmp_path: Path) -> None:
    drive(tmp_path, SHOP, "Basket", "1")
    drive(tmp_path, SHOP, "Stock", "2")
    assert host(tmp_path, "        load('Basket1', 'Stock2')" + BUY) == BOUGHT


DOOR = """
from pathlib import Path
from automata import object_type
from automata.values.exceptions import decode_exception
from ssms.packing import pack

class Nobody(Exception):
    pass

@object_type
class Door:
    async def knock(self) -> None:
        raise Nobody("home")

if Path("answer").exists():
    print(repr(decode_exception(Path("answer").read_bytes())), Nobody.__module__)
else:
    Path("Door.type").write_bytes(pack(Door).encode())
"""

KNOCK = """
        from automata.values.exceptions import encode_exception
        load("Door")
        try:
            await ref("Door", "d").knock()
        except Exception as error:
            Path("answer").write_bytes(encode_exception(error, ""))
            print(type(error).__module__)
"""


def test_what_a_script_raises_is_of_the_module_that_the_script_is_for_others(tmp_path: Path) -> None:
    run(DOOR, tmp_path, "door.py")
    assert host(tmp_path, KNOCK) == "door\n"
    assert run(DOOR, tmp_path, "door.py") == "Nobody('home') __main__\n"
    assert run("import door", tmp_path, "other.py") == "Nobody('home') door\n"
