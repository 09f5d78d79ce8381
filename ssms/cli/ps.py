"""`ssms ps`: the types in a store, how many objects each has, and what waits."""

from dataclasses import asdict, fields

from automata.types import REGISTRY
from ssms.cli import on_cluster
from ssms.cli.app_file import load_types
from ssms.cli.census import Counts, census
from ssms.cli.options import Common, takes
from ssms.cli.output import err, out, print_json, print_table, reported
from ssms.cli.reading import Holder, reading

_TITLES = {"undefined": "type undefined", "dead": "dead letters"}
_ALWAYS = ("objects", "inbox")


@takes("store", "app", "cluster", "token", "json")
def ps(*, common: Common) -> None:
    """List the types in a store, with their objects and with the messages and methods that wait.

    Columns: objects; inbox: messages to deliver; timers: messages that are due later; retrying: messages whose step
    raised; type undefined: messages that wait until their type is defined; dead letters: messages that raised too
    often; running: methods that have committed a part and not finished, which go on while the store is open;
    interrupted: those that cannot go on by themselves (ssms dead says why). Columns without an entry are left out.
    With --app, types that FILE defines are listed too, and those it lacks are marked.
    The store may be held by another process. With --address, the deployed types of a cluster: objects, dead letters
    and interrupted methods alone; objects are counted one by one.

    Example: ssms ps --store ./data
    """
    with reported(common.json, common.app):
        load_types(common.app)
        counts, holder = _counted(common)
    defined = None if common.app is None else set(REGISTRY.names())
    for name in sorted((defined or set()) - set(counts)):
        counts[name] = Counts()
    if common.json:
        types = {
            name: asdict(here) | ({} if defined is None else {"defined": name in defined})
            for name, here in counts.items()
        }
        held = None if holder is None else {"pid": holder.pid, "command": holder.command}
        print_json({"store": common.place, "holder": held, "types": types})
    else:
        _print(common.place, counts, holder, defined)


def _counted(common: Common) -> tuple[dict[str, Counts], Holder | None]:
    if common.cluster:
        with on_cluster.cluster_app(common) as app:
            return on_cluster.census(app), None
    with reading(common.store) as reader:
        return census(reader), reader.holder


def _print(place: str, counts: dict[str, Counts], holder: Holder | None, defined: set[str] | None) -> None:
    if not counts:
        err().print(f"{place} is empty")
        return
    shown = [
        field.name
        for field in fields(Counts)
        if field.name in _ALWAYS or any(getattr(here, field.name) for here in counts.values())
    ]
    rows = [
        [name if defined is None or name in defined else f"{name} (undefined)"]
        + [f"{getattr(here, field):,}" for field in shown]
        for name, here in counts.items()
    ]
    print_table(place, ["type", *(_TITLES.get(name, name) for name in shown)], rows)
    if holder is not None:
        out().print(f"held by process {holder.pid} ({holder.command})", markup=False, highlight=False)
