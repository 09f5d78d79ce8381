"""A copy loads what it can of the deployed types."""

from typing import cast

import pytest

from automata.errors import UnknownType
from automata.testing.loop import run_virtually
from automata.types import REGISTRY
from darq.memory import MemoryStore
from ssms.deployed import DeployedType, Unloadable, by_reference
from ssms.peers import Peers
from ssms.server import Server
from ssms.server_surroundings import Surroundings
from tests.cluster.purses import Purse


def test_a_type_that_cannot_be_loaded_keeps_no_other_from_being_loaded() -> None:
    async def scenario() -> None:
        around = Surroundings(cast("Peers", None), MemoryStore, lambda: 0.0, lambda why: None)
        bad = DeployedType("Bad", 1, "no.such.module:Bad", b"", b"").encode()
        good = by_reference(Purse).encode()
        with pytest.raises(Unloadable, match="type Bad"):
            await Server("s0.n0", around).load([bad, good])
        assert around.deployed.encoded() == (good,)
        with pytest.raises(UnknownType, match=r"type Bad cannot be loaded from no\.such\.module:Bad.*Deploy it again"):
            REGISTRY.get("Bad")

    try:
        run_virtually(scenario())
    finally:
        REGISTRY.missing.pop("Bad", None)
