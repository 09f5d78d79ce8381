"""What has to happen next for one store, decided from what is known of it (SSMS §3.3, LambdaObjects §4.2.1). Pure.

A coordinator asks again after each act, until nothing is left to do. So it does not matter where it was when it died,
or what has changed meanwhile: the next look decides anew. The order of the rules is their order of urgency.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ssms.catalog.rows import CopyRow, CopyState, NodeState, StoreRow


@dataclass(frozen=True)
class NodeView:
    """One node. takes: new copies may be placed on it; alive: it answers; lost: it has been away for too long to wait.

    copies and leaders: how many copies of all stores it has, and how many of those lead.
    """

    id: str
    takes: bool = True
    alive: bool = True
    lost: bool = False
    copies: int = 0
    leaders: int = 0


@dataclass(frozen=True)
class View:
    """What is known of one store. suspects: copies whose processes do not answer; started: those whose processes this
    coordinator has seen to. patient: a new store may wait for copies that have not reported yet.
    """

    store: StoreRow
    copies: tuple[CopyRow, ...]
    nodes: Mapping[str, NodeView]
    suspects: frozenset[str] = frozenset()
    started: frozenset[str] = frozenset()
    patient: bool = False
    by_name: Mapping[str, CopyRow] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {copy.name: copy for copy in self.copies})

    def answers(self, copy: CopyRow) -> bool:
        """Whether its process has reported, and is not suspect."""
        return copy.pid > 0 and copy.name not in self.suspects and copy.state is not CopyState.GONE

    def informed(self, copy: CopyRow) -> bool:
        """Whether its process knows its part in the present epoch."""
        return self.answers(copy) and copy.told == self.store.epoch

    @property
    def leader(self) -> CopyRow | None:
        """The copy that has the epoch."""
        return self.by_name.get(self.store.leader)

    @property
    def wanted(self) -> int:
        """How many copies there can be and shall be."""
        return min(self.store.replicas, sum(node.takes and not node.lost for node in self.nodes.values()))


@dataclass(frozen=True)
class Start:
    """See to it that these copies have processes."""

    copies: tuple[str, ...]


@dataclass(frozen=True)
class Elect:
    """Begin a new epoch, led by one of these, which are all in sync. before: the store as it was then."""

    candidates: tuple[str, ...]
    before: StoreRow


@dataclass(frozen=True)
class Inform:
    """Tell these copies to follow the leader."""

    copies: tuple[str, ...]


@dataclass(frozen=True)
class Add:
    """Make a further copy on a node."""

    node: str


@dataclass(frozen=True)
class Mark:
    """A copy shall leave, or stay after all."""

    copy: str
    state: CopyState


@dataclass(frozen=True)
class Halt:
    """End the process of an in-sync copy that leaves, so that its primary drops it."""

    copy: str


@dataclass(frozen=True)
class Retire:
    """End and forget a copy that is not in sync. wipe: its node is there to delete its directory."""

    copy: str
    wipe: bool


@dataclass(frozen=True)
class Shift:
    """Let a backup lead in the place of a leader that does well, as machines shall lead evenly. before: as in Elect."""

    copy: str
    before: StoreRow


Act = Start | Elect | Inform | Add | Mark | Halt | Retire | Shift


def decide(view: View) -> Act | None:
    """What has to be done next; None if nothing is, or nothing can be before somebody reports."""
    if act := _start(view):
        return act
    if not led(view):
        return _elect(view)
    return _first((_inform, _leave_nodes, _return, _add, _thin_out, _hand_over, _retire, _finish), view)


def _first(rules: Iterable[Callable[[View], Act | None]], view: View) -> Act | None:
    return next((act for rule in rules if (act := rule(view)) is not None), None)


def _finish(view: View) -> Act | None:
    """What was begun to be wiped, is: its name and its node are free for another only then."""
    gone = next((copy for copy in view.copies if copy.state is CopyState.GONE), None)
    return None if gone is None else Retire(gone.name, _alive(view, gone))


def _start(view: View) -> Act | None:
    needed = view.store.in_sync
    names = tuple(
        copy.name
        for copy in view.copies
        if copy.name not in view.started
        and _alive(view, copy)
        and (copy.state is CopyState.STAYING or copy.name in needed)
    )
    return Start(names) if names else None


def led(view: View) -> bool:
    """Whether the leader answers and knows that it leads."""
    return view.leader is not None and view.informed(view.leader)


def _elect(view: View) -> Act | None:
    """A leader that was told and answers needs no successor; any other does, if there is somebody in sync.

    A process that was restarted has forgotten what it was: it leads again only under a new epoch.
    """
    members = [view.by_name[name] for name in view.store.in_sync if name in view.by_name]
    able = tuple(copy.name for copy in members if view.answers(copy))
    waits = view.store.epoch == 0 and view.patient
    if not able or (waits and any(_alive(view, copy) and not view.answers(copy) for copy in members)):
        return None
    return Elect(able, view.store)


def _inform(view: View) -> Act | None:
    names = tuple(
        copy.name
        for copy in view.copies
        if copy.name != view.store.leader
        and view.answers(copy)
        and not view.informed(copy)
        and (copy.state is CopyState.STAYING or copy.name in view.store.backups)
    )
    return Inform(names) if names else None


def _leave_nodes(view: View) -> Act | None:
    """Copies leave with their nodes: those that are being emptied, and those that have been away for too long."""
    for copy in _staying(view):
        node = view.nodes.get(copy.node)
        if node is None or node.lost or not node.takes:
            return Mark(copy.name, CopyState.LEAVING)
    return None


def _return(view: View) -> Act | None:
    """A machine that comes back brings what its disk holds, if that is of use still."""
    if len(_ready(view)) >= view.wanted:
        return None
    for copy in view.copies:
        node = view.nodes.get(copy.node)
        if copy.state is CopyState.LEAVING and node is not None and node.takes and not node.lost:
            return Mark(copy.name, CopyState.STAYING)
    return None


def _add(view: View) -> Act | None:
    if len(_staying(view)) >= view.wanted:
        return None
    taken = {copy.node for copy in view.copies}
    free = [node for node in view.nodes.values() if node.takes and node.alive and node.id not in taken]
    return Add(min(free, key=lambda node: (node.copies, node.id)).id) if free else None


def _thin_out(view: View) -> Act | None:
    """One of too many leaves: where most copies are, and of those where most lead."""
    ready = _ready(view)
    if len(ready) <= max(view.wanted, 1):
        return None
    busiest = max(ready, key=lambda copy: (view.nodes[copy.node].copies, view.nodes[copy.node].leaders, copy.name))
    return Mark(busiest.name, CopyState.LEAVING)


def _hand_over(view: View) -> Act | None:
    """A leader that leaves is succeeded by one that stays, once those are enough."""
    leader = view.leader
    if leader is None or leader.state is not CopyState.LEAVING or not _enough(view):
        return None
    able = tuple(copy.name for copy in _ready(view) if copy.name in view.store.backups)
    return Elect(able, view.store) if able else None


def hand_over_to(heir: str, view: View) -> Shift | None:
    """A leader is succeeded by a copy that was named, and stays in sync itself; None if that copy is not able to."""
    ready = tuple(copy.name for copy in _ready(view))
    able = led(view) and heir in ready and heir in view.store.backups
    return Shift(heir, view.store) if able else None


def heirs(node: str, stores: Iterable[StoreRow], copies: Iterable[CopyRow]) -> list[CopyRow]:
    """The copies on a node that could lead, first those of stores whose leaders are where most others lead too."""
    rows, every = list(stores), list(copies)
    at = {copy.name: copy.node for copy in every}
    busy = Counter(at.get(store.leader, "") for store in rows)
    able = [
        (-busy[at.get(store.leader, "")], store.number, copy)
        for store in rows
        for copy in every
        if copy.node == node and copy.state is CopyState.STAYING and copy.name in store.backups
    ]
    return [copy for _, _, copy in sorted(able, key=lambda entry: entry[:2])]


def _retire(view: View) -> Act | None:
    for copy in view.copies:
        if copy.state is not CopyState.LEAVING or copy.name == view.store.leader:
            continue
        node = view.nodes.get(copy.node)
        if copy.name in view.store.backups:
            if view.answers(copy) and _enough(view):
                return Halt(copy.name)
        elif _alive(view, copy) or node is None or not node.takes:  # else its node may come back with it
            return Retire(copy.name, _alive(view, copy))
    return None


def whole(view: View) -> bool:
    """Whether all copies that there can be are in sync, and answer."""
    return len(_ready(view)) == len(view.store.in_sync) >= view.wanted


def followers(view: View) -> dict[str, str]:
    """node -> copy of the backups that stay, and answer: those that could lead, once they are in sync."""
    others = (copy for copy in _staying(view) if copy.name != view.store.leader)
    return {copy.node: copy.name for copy in others if view.answers(copy)}


def _staying(view: View) -> list[CopyRow]:
    return [copy for copy in view.copies if copy.state is CopyState.STAYING]


def _ready(view: View) -> list[CopyRow]:
    """Those that stay, are in sync and answer."""
    return [copy for copy in _staying(view) if copy.name in view.store.in_sync and view.informed(copy)]


def _enough(view: View) -> bool:
    return len(_ready(view)) >= max(view.wanted, 1)


def _alive(view: View, copy: CopyRow) -> bool:
    node = view.nodes.get(copy.node)
    return node is not None and node.alive


def choose(heads: Mapping[str, tuple[int, int]], leader: str) -> str:
    """Of in-sync copies the one with the longest chain of the highest epoch; of equals the present leader.

    heads: (epoch, group) of each. All hold what was acknowledged; the longest spares the others a copy from scratch.
    """
    return max(heads, key=lambda name: (heads[name], name == leader))


def node_views(
    rows: Iterable[tuple[str, NodeState]],
    alive: Mapping[str, bool],
    lost: frozenset[str],
    copies: Iterable[CopyRow],
    leaders: frozenset[str],
) -> dict[str, NodeView]:
    """The nodes of the catalog, with what is known of them. leaders: names of the copies that lead."""
    every = list(copies)
    return {
        node: NodeView(
            node,
            takes=state is NodeState.ACTIVE,
            alive=alive.get(node, False),
            lost=node in lost,
            copies=sum(copy.node == node for copy in every),
            leaders=sum(copy.node == node and copy.name in leaders for copy in every),
        )
        for node, state in rows
    }
