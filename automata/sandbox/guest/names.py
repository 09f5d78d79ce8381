"""What `automata` offers in a guest: this file stands there as `automata/__init__.py`."""

import automata.sandbox.guest.asynchronous  # noqa: F401 - before anything asks for asyncio
from automata import errors
from automata.context import delete, logger, now, random, uuid4
from automata.declare import readonly
from automata.invocation import call, cancel, gather, send
from automata.list import List
from automata.map import Map
from automata.reference import Ref
from automata.refs import ref
from automata.retry import Retry
from automata.sandbox.guest.declaring import Letter, Pickled, apply, automaton, object_type, record
from automata.sandbox.guest.pausing import effect, sleep, transaction
from automata.set import Set

__all__ = [
    "Letter",
    "List",
    "Map",
    "Pickled",
    "Ref",
    "Retry",
    "Set",
    "apply",
    "automaton",
    "call",
    "cancel",
    "delete",
    "effect",
    "errors",
    "gather",
    "logger",
    "now",
    "object_type",
    "random",
    "readonly",
    "record",
    "ref",
    "send",
    "sleep",
    "transaction",
    "uuid4",
]
