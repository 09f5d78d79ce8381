"""What commands that look into a store do with `--address`: the same through an app on the cluster."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NoReturn

from automata.errors import AutomataError, InvalidArgument, StateError
from automata.letter_box import Letter
from automata.refs import ref
from ssms.cli.address import Address
from ssms.cli.census import Counts
from ssms.cli.dead_entries import Entry
from ssms.cli.options import Common
from ssms.cli.signals import interruptible
from ssms.cluster_app import ClusterApp
from ssms.connecting import connect


def cluster_app(common: Common) -> AbstractContextManager[ClusterApp]:
    """An app on the cluster that the options name."""
    return interruptible(connect(common.cluster, token=common.token), "what was acknowledged is safe")


def census(app: ClusterApp) -> dict[str, Counts]:
    """Of each deployed type: its objects, and what needs a person."""
    counts = {name: Counts(objects=sum(1 for _ in app.run(app.objects(name)))) for name in app.run(app.types())}
    for entry in entries(app):
        here = counts.setdefault(entry.type, Counts())
        if entry.interrupted:
            here.interrupted += 1
        else:
            here.dead += 1
    return dict(sorted(counts.items()))


def fields_of(app: ClusterApp, address: Address) -> dict[str, object] | None:
    """What an object holds; None if it does not exist. Raises InvalidArgument if that is of classes not known here."""
    named = ref(address.type_name, address.key)
    if not app.run(app.exists(named)):
        return None
    try:
        return app.run(app.inspect(named))
    except InvalidArgument as error:
        raise InvalidArgument(f"{error}. Say --app FILE, with the file that defines {address.type_name}") from error


def entries(app: ClusterApp) -> list[Entry]:
    """What needs a person, dead letters first."""
    dead = [_entry(letter, False) for letter in app.run(app.dead_letters())]
    return dead + [_entry(letter, True) for letter in app.run(app.interrupted())]


def no_history(app: ClusterApp, address: Address) -> NoReturn:
    """There is no history through an app. Raises StateError, which says where it is."""
    explained = app.run(app.explain(ref(address.type_name, address.key)))
    raise StateError(
        f"the history of steps is in the folder of a store, and read there: {explained.reason}. On the machine "
        f"{explained.node}: ssms log {address} --store PATH/{explained.node}/copies/COPY"
    )


def change(app: ClusterApp, identifier: str | None, what: str) -> tuple[list[str], dict[str, str]]:
    """Do `what` ("retry", ...) with one letter, or with all: (those that it was done with, why with others not)."""
    do: Callable[[str], object] = getattr(app, what)
    if identifier is not None:
        app.run(do(identifier))  # type: ignore[call-overload]
        return [identifier], {}
    done: list[str] = []
    left: dict[str, str] = {}
    for entry in entries(app):
        try:
            app.run(do(entry.id))  # type: ignore[call-overload]
        except AutomataError as error:
            left[entry.id] = str(error)
        else:
            done.append(entry.id)
    return done, left


def _entry(letter: Letter, interrupted: bool) -> Entry:
    named = letter.ref
    return Entry(letter.id, named.type_name, named.key, letter.method, letter.error, letter.traceback, interrupted)
