"""What outsiders ask of an app about its objects."""

from __future__ import annotations

import pytest

from automata import object_type, ref
from automata.application import Application
from automata.errors import UnknownType
from tests.memory_app import in_app


@object_type(name="LookedAt")
class Seen:
    n: int = 0


@in_app
async def test_objects_of_a_type_that_nobody_defines_are_neither_moved_nor_explained_nor_shown(
    app: Application,
) -> None:
    [node] = {n.id async for n in app.nodes() if n.is_head}
    unknown = ref("Sean", "a")
    for asked in (lambda: app.move(unknown, node), lambda: app.explain(unknown), lambda: app.inspect(unknown)):
        with pytest.raises(UnknownType, match=r"no type 'Sean' is defined here; known: .*LookedAt"):
            await asked()
    assert not await app.exists(unknown)


@in_app
async def test_where_an_object_lives_can_be_told_before_it_is_written_to(app: Application) -> None:
    nodes = [n.id async for n in app.nodes()]
    assert (await app.explain(ref(Seen, "a"))).node in nodes
    assert not await app.exists(ref(Seen, "a"))
