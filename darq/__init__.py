"""darq: a log with atomic steps under many logical queues, usable by itself (SSMS §3.1, DARQ).

store = RocksStore("./data")
log = Log(store)
step = log.step(b"worker")
step.send(Message(b"other", b"hello"))
log.commit(step)
log.commit_now()
"""

from darq.committer import Committer
from darq.errors import AutomataError
from darq.lane import Receiver, Sender, Transport
from darq.limits import Limits
from darq.log import Log
from darq.memory import MemoryStore
from darq.rocks import RocksStore
from darq.step import Message, Step
from darq.store import Batch, Store

__all__ = [
    "AutomataError",
    "Batch",
    "Committer",
    "Limits",
    "Log",
    "MemoryStore",
    "Message",
    "Receiver",
    "RocksStore",
    "Sender",
    "Step",
    "Store",
    "Transport",
]
