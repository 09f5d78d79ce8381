"""automata: define durable objects as plain Python classes (LambdaObjects). `ssms` runs them."""

from automata import errors
from automata.applies import apply
from automata.automaton import automaton
from automata.context import delete, logger, now, random, record, uuid4
from automata.declare import object_type, readonly
from automata.invocation import call, cancel, gather, send
from automata.letter_box import Letter
from automata.list import List
from automata.map import Map
from automata.pausing import effect, sleep
from automata.reference import Ref
from automata.refs import ref
from automata.retry import Retry
from automata.set import Set
from automata.transactions import transaction
from automata.values.pickled import Pickled

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
