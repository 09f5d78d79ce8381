"""An app on a running cluster: what `ssms.connect()` gives. It has the methods of an embedded app."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, Literal, TypeVar, cast, get_args

from automata.application import Explanation, Node, object_ref
from automata.asking import CLIENT_BYTES, DELETE, EXISTS, INSPECT, LOOK, WHERE, Ask
from automata.context import RunningMethod, logger
from automata.errors import DeclarationError, InvalidArgument, StateError
from automata.journal import ANYTHING
from automata.letter_box import Letter
from automata.looking import type_name
from automata.outcomes import take_outcome
from automata.partitions import partition_of
from automata.reference import ObjectRef, make_ref
from automata.router import OPEN
from darq.errors import StoreClosed
from ssms.cluster_router import ClusterRouter
from ssms.deployed import DeployedType
from ssms.first_use import FirstUse
from ssms.lane import LOST_SECONDS
from ssms.lanes import Lanes
from ssms.neighbourhood import NotLeading
from ssms.packing import pack
from ssms.patience import answered, answered_in
from ssms.peers import Peers, Unreachable
from ssms.placement import StorePlace
from ssms.routes import Routes
from ssms.shown import decode_shown, encode_shown
from ssms.spread import Spread
from ssms.uploading_app import UploadingApp

T = TypeVar("T")

Reads = Literal["primary", "any"]
"""Which copies of a store readonly methods run on."""

_PAGE_KEYS = 512
_ANSWER_SECONDS = 15.0  # a coordinator that was killed is back by then
_CLOSING_SECONDS = 30.0  # for messages that nobody has awaited
_TRIES_SECONDS = 30.0
_PAUSE_SECONDS = 0.1
_QUICK = {"nodes", "status", "types", "uploads"}
"""What the coordinator answers at once; other answers take as long as what was asked for."""
_DONE_ONCE = {"retry", "restart", "discard"}
"""What is refused by StateError when it was done before."""
_FIRST_COUNTS = {"timers_next_due_ms"}
"""Of what stores say about themselves, the times: the first counts, and 0 is none. All else is added up."""


class ClusterApp(UploadingApp):
    """A connection to a cluster, as an async or a plain context manager.

    Its objects are invoked through refs (`automata.ref`, or `app.ref` when several apps are open), from any thread or
    event loop. A call whose host dies is asked again, so that all that callers see is a pause.
    """

    def __init__(
        self,
        dial: Callable[[asyncio.AbstractEventLoop], Awaitable[Peers]],
        token: str = "",
        deploys: bool = False,
        draw: Callable[[int], bytes] = os.urandom,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """dial: finds the cluster; token: of deployers; deploys: sends types on first use; draw: random bytes for the
        client's id; clock: seconds since the epoch.
        """
        super().__init__()
        self._dial = dial
        self._token = token
        self._deploys = deploys
        self._draw = draw
        self._clock = clock
        self._reads: Reads = "primary"
        self._lanes: Lanes | None = None
        self._router: ClusterRouter | None = None

    def spread_reads(self, reads: Reads) -> None:
        """Say which copies readonly methods run on, before the app is opened. Raises InvalidArgument."""
        if reads not in get_args(Reads):
            raise InvalidArgument(f'reads={reads!r}: reads go to the "primary" copy of each store, or to "any"')
        self._reads = reads

    @property
    def router(self) -> ClusterRouter:
        """Where invocations through this app's refs go."""
        if self._router is None:
            raise _not_open()
        return self._router

    def runs(self, method: RunningMethod) -> bool:
        """Whether a method that runs now runs in this app: methods run on hosts, never here."""
        return False

    # types

    async def deploy(self, *classes: type) -> None:
        """Register types with the cluster: their code, which its hosts will run. Raises what it refuses."""
        await self._here(lambda: self._deploy(classes))

    async def types(self) -> list[str]:
        """Names of the types that were deployed or uploaded."""
        return sorted(await self._here(self._deployed))

    # looking

    async def objects(self, cls: type | str, *, prefix: str = "", after: str = "") -> AsyncIterator[str]:
        """Keys of the objects of a type that exist, in order, from behind `after`, beginning with `prefix`.

        Of objects that are moved meanwhile, a key may come twice, or not at all.
        """
        async for key in self._iterate_on_loop(lambda: self._keys(type_name(cls), prefix, after)):
            yield key

    async def exists(self, ref: object) -> bool:
        """Whether the object has been written to (and not been deleted since)."""
        return bool(await self._look(EXISTS, ref))

    async def delete(self, ref: object) -> None:
        """Delete an object with everything it holds, as one step."""
        await self._look("delete", ref, DELETE)

    async def inspect(self, ref: object) -> dict[str, Any]:
        """The object's fields as plain Python: values, lists, dicts and sets."""
        return cast("dict[str, Any]", await self._look(INSPECT, ref))

    async def dead_letters(self) -> AsyncIterator[Letter]:
        """Messages that have raised too often, oldest first in each store."""
        async for letter in self._iterate_on_loop(lambda: self._letters("dead_letters")):
            yield letter

    async def interrupted(self) -> AsyncIterator[Letter]:
        """Methods that stopped between two parts and cannot go on by themselves: their error says why."""
        async for letter in self._iterate_on_loop(lambda: self._letters("interrupted")):
            yield letter

    async def retry(self, letter_id: str) -> None:
        """Deliver a dead letter again, or resume an interrupted method. StateError if there is none of this id."""
        await self._do("retry", letter_id)

    async def restart(self, letter_id: str) -> None:
        """Run an interrupted method anew from its beginning. What its parts have done stays, and is done again."""
        await self._do("restart", letter_id)

    async def discard(self, letter_id: str) -> None:
        """Drop a dead letter or an interrupted method. StateError if there is none of this id."""
        await self._do("discard", letter_id)

    async def nodes(self) -> AsyncIterator[Node]:
        """The machines of the cluster."""
        for node in await self._here(lambda: self._coordinator("nodes")):
            yield Node(*node)

    async def status(self) -> dict[str, Any]:
        """What the coordinator knows, for people: nodes, stores, copies, types. Its form may change."""
        return cast("dict[str, Any]", await self._here(lambda: self._coordinator("status")))

    async def join_node(self, node_id: str) -> None:
        """Let a machine take its share: one that was dropped, or any, where they do not join by themselves."""
        await self._here(lambda: self._coordinator("join_node", node_id))

    async def drop_node(self, node_id: str) -> None:
        """Empty a machine, in the background, and forget it. InvalidArgument for the last one."""
        await self._here(lambda: self._coordinator("drop_node", node_id))

    async def drain(self, node_id: str) -> None:
        """As `drop_node`, and wait until it is empty: for ever, where no other can take what it has."""
        await self._here(lambda: self._coordinator("drain", node_id))

    async def move(self, ref: object, node_id: str) -> None:
        """Move an object to a node (SSMS §4.2), with everything it holds; its calls wait meanwhile.

        Raises UnknownType, and InvalidArgument for a node that cannot have it. An object that nobody has written to
        moves too: it will be there.
        """
        await self._look(WHERE, ref)
        partition = _partition(object_ref(ref))
        store = await self._here(lambda: self._coordinator("move", partition, node_id))
        self._opened().routes.moved(partition, store)

    async def explain(self, ref: object) -> Explanation:
        """Where an object lives, and why; or would, if it were written to. Raises UnknownType."""
        partition = _partition(object_ref(ref))
        identity = cast("bytes", await self._look(WHERE, ref))
        placement = self._opened().routes.placement
        place = placement.store(identity)
        if placement.owner(partition).identity == identity:
            reason = f"{object_ref(ref)!r} lives in store {place.name}, which has its slot, on the node that leads it"
        else:
            reason = (
                f"{object_ref(ref)!r} was moved by itself to store {place.name}, away from the one that has its slot"
            )
        return Explanation(place.node, reason)

    async def stats(self) -> dict[str, int]:
        """Counters of all stores, added up, and of times the first; their names say their units."""
        return await self._here(self._stats)

    # inside

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._lanes is not None:
            raise StateError("this app is open already: call ssms.connect() again for another one")
        peers = await self._dial(loop)
        self._lanes = Lanes(peers, Routes(peers), self._draw(CLIENT_BYTES), loop)
        if self._reads == "any":
            self._lanes.spread = Spread(self._lanes)
        first_use = FirstUse(self._lanes, self._deployed, self._deploy) if self._deploys else None
        self._router = ClusterRouter(self._lanes, self._clock, first_use, self._learn_type)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._lanes.known()
        except TimeoutError:
            await self._lanes.close()
            self._lanes = self._router = None
            raise StateError(
                "no cluster answers there: `ssms up` starts one, and `ssms status` shows whether it is well"
            ) from None
        OPEN.add(self._router)

    async def _stop(self) -> None:
        if self._router is None or self._lanes is None:
            return
        OPEN.remove(self._router)
        router, self._router = self._router, None
        self._uploaded.forget()
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await router.drain()
        except TimeoutError:
            logger.warning("messages that were not awaited may not have been stored: no host answered in time")
        lanes, self._lanes = self._lanes, None
        await lanes.close()

    def _is_open(self) -> bool:
        return self._lanes is not None

    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._opened().loop

    def _opened(self) -> Lanes:
        if self._lanes is None:
            raise _not_open()
        return self._lanes

    async def _here(self, look: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self._opened()
        return await self._on_loop(look)

    async def _look(self, what: str, ref: object, kind: int = LOOK) -> object:
        target = object_ref(ref)

        async def look() -> object:
            request = self.router.new_request() if kind == DELETE else b""
            ask = Ask(kind, _partition(target), what, b"", request, behind=True)
            outcome = await self.router.start(target.type_name, ask)
            return take_outcome(outcome, ANYTHING)

        return await self._here(look)

    async def _deployed(self) -> set[str]:
        deployed = {DeployedType.decode(made).name for made in await self._coordinator("types")}
        await self._learn()
        return deployed | self._uploaded.names

    async def _deploy(self, classes: Iterable[type]) -> None:
        """The first of them is needed; the others come along if they can travel."""
        needed, *others = classes
        packed = [pack(needed).encode()]
        for cls in others:
            with contextlib.suppress(DeclarationError):
                packed.append(pack(cls).encode())
        await self._coordinator("deploy", packed, self._token)

    async def _coordinator(self, what: str, *args: object) -> Any:
        """Ask the coordinator, for as long as it cannot be reached (it is restarted if it dies)."""
        lanes = self._opened()
        until = lanes.loop.time() + _TRIES_SECONDS
        while True:
            try:
                answer = lanes.peers.coordinator.call(what, *args)
                return await (answered_in(LOST_SECONDS, answer) if what in _QUICK else answer)
            except Unreachable:
                if lanes.loop.time() > until:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _store(self, place: StorePlace, what: str, *args: object) -> object:
        """Ask whoever leads a store. What is done once, and was done by a try whose answer was lost, is done."""
        lanes, doubtful = self._opened(), False
        until = lanes.loop.time() + _TRIES_SECONDS
        while True:
            here = lanes.routes.placement.store(place.identity)
            try:
                if not here.primary:
                    raise Unreachable(f"nobody leads store {here.name}")
                answer = lanes.peers.copy(here.primary).call("ask", what, encode_shown(args))
                return decode_shown(await answered(lanes.routes, here.identity, here.epoch, answer, LOST_SECONDS))
            except StateError:
                if doubtful and what in _DONE_ONCE:
                    return None
                raise
            except (Unreachable, NotLeading):
                doubtful = doubtful or bool(here.primary)
                if lanes.loop.time() > until:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
                await lanes.routes.refresh()

    def _stores(self) -> list[StorePlace]:
        return [store for store in self._opened().routes.placement.stores if store.epoch]

    async def _keys(self, name: str, prefix: str, after: str) -> AsyncIterator[str]:
        pages = [_Page(self._store, place, name, prefix) for place in self._stores()]
        heads = [(key, index) for index, page in enumerate(pages) if (key := await page.next(after)) is not None]
        heapq.heapify(heads)
        last = None
        while heads:
            key, index = heads[0]
            if key != last:
                yield key
            last = key
            following = await pages[index].next(key)
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following, index))

    async def _letters(self, what: str) -> AsyncIterator[Letter]:
        for place in self._stores():
            found = cast("list[list[str]]", await self._store(place, what))
            for letter_id, kind, key, method, error, trace in found:
                yield Letter(f"{place.name}-{letter_id}", make_ref(kind, key), method, error, trace)

    async def _do(self, what: str, letter_id: str) -> None:
        name, _, number = letter_id.rpartition("-")

        async def do() -> None:
            for place in self._stores():
                if place.name == name:
                    await self._store(place, what, number)
                    return
            raise StateError(f"there is no dead letter {letter_id!r}: ids are as app.dead_letters() gives them")

        await self._here(do)

    async def _stats(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for place in self._stores():
            for name, count in cast("dict[str, int]", await self._store(place, "stats")).items():
                if name in _FIRST_COUNTS:
                    total[name] = min(filter(None, (total.get(name), count)), default=0)
                else:
                    total[name] = total.get(name, 0) + count
        return total


class _Page:
    """The keys of one store, a page at a time."""

    def __init__(
        self, ask: Callable[..., Coroutine[Any, Any, object]], place: StorePlace, name: str, prefix: str
    ) -> None:
        self._ask = ask
        self._place = place
        self._name = name
        self._prefix = prefix
        self._keys: list[str] = []
        self._ended = False

    async def next(self, after: str) -> str | None:
        """The next key; None at the end."""
        if not self._keys and not self._ended:
            found = await self._ask(self._place, "keys", self._name, self._prefix, after, _PAGE_KEYS)
            self._keys = cast("list[str]", found)
            self._ended = len(self._keys) < _PAGE_KEYS
            self._keys.reverse()
        return self._keys.pop() if self._keys else None


def _partition(ref: ObjectRef) -> bytes:
    return partition_of(ref.type_name, ref.key)


def _not_open() -> StoreClosed:
    return StoreClosed("the app is not open: use it inside `async with ssms.connect() as app:`")
