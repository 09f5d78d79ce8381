"""TYPE/KEY on the command line."""

from dataclasses import dataclass

import typer

from automata.errors import InvalidArgument
from automata.refs import check_key


@dataclass(frozen=True)
class Address:
    """The name of one object."""

    type_name: str
    key: str

    def __str__(self) -> str:
        return f"{self.type_name}/{self.key}"


def parse_address(text: "str | Address") -> Address:
    """The address in TYPE/KEY, split at the first '/'. Raises typer.BadParameter for anything else."""
    if isinstance(text, Address):
        return text
    type_name, slash, key = text.partition("/")
    if not (type_name and slash and key):
        raise typer.BadParameter(f"{text!r} is no TYPE/KEY, as in User/alice")
    try:
        check_key(key)
    except InvalidArgument as error:
        raise typer.BadParameter(str(error)) from error
    return Address(type_name, key)
