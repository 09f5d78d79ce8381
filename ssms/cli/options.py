"""The options that most commands take, each said once."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from ssms.cli.address import Address, parse_address

AddressArgument = Annotated[
    Address,
    typer.Argument(
        metavar="TYPE/KEY", parser=parse_address, help="The object. The first '/' ends the type; a key may hold more."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
StoreOption = Annotated[Path, typer.Option("--store", metavar="PATH", help="Folder of the store.")]
AppOption = Annotated[
    Path | None,
    typer.Option(
        "--app",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        readable=True,
        help="Python file that defines the types. It is imported, which runs it: "
        'guard its main part with `if __name__ == "__main__":`.',
    ),
]

TokenOption = Annotated[
    str,
    typer.Option("--token", envvar="SSMS_TOKEN", metavar="TEXT", help="What deployers have to show, if anything."),
]
InClusterOption = Annotated[
    str,
    typer.Option("--address", metavar="ADDR", help="On a cluster instead of a store: auto, or HOST:PORT of its head."),
]

P = ParamSpec("P")


@dataclass(frozen=True)
class Common:
    """What most commands are told. store: the store's folder; app: defines the types; json: print JSON alone.

    cluster: the address of a cluster, which is meant then instead of a store; token: what its deployers have to show.
    """

    store: StoreOption = Path("data")
    app: AppOption = None
    json: JsonOption = False
    cluster: InClusterOption = ""
    token: TokenOption = ""

    @property
    def place(self) -> str:
        """What is looked into, for people."""
        return f"the cluster at {self.cluster}" if self.cluster else str(self.store)


def takes(*names: str) -> Callable[[Callable[P, None]], Callable[..., None]]:
    """Give a command the named fields of `Common` as options; it gets them as its argument `common`."""
    return takes_from(Common, "common", *names)


def takes_from(kind: type, argument: str, *names: str) -> Callable[[Callable[P, None]], Callable[..., None]]:
    """Give a command the named fields of a dataclass as options; it gets them as that argument."""

    def decorate(command: Callable[P, None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            given = {name: kwargs.pop(name) for name in names}
            command(*args, **{argument: kind(**given)}, **kwargs)

        declared = inspect.signature(kind).parameters
        own = [p for p in inspect.signature(command).parameters.values() if p.name != argument]
        options = [declared[name].replace(kind=inspect.Parameter.KEYWORD_ONLY) for name in names]
        run.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in [*own, *options]}
        return run

    return decorate
