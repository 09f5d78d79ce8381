"""What one copy of a store is given by whoever runs it: Ray's processes, or a test's."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from automata.options import Options
from darq.limits import Limits
from darq.replication import Options as CopyOptions
from darq.store import Store
from ssms.deployed_types import DeployedTypes
from ssms.peers import Peers


@dataclass(frozen=True)
class Surroundings:
    """What a copy is given. open_store: opens its directory; clock: seconds that never step back; leave: ends the
    process, with the reason; pid: of the process, for the coordinator; renewed: a `ssms.renewal` says that it lives;
    deployed: the types that it has loaded.
    """

    peers: Peers
    open_store: Callable[[], Store]
    clock: Callable[[], float]
    leave: Callable[[BaseException], None]
    pid: int = field(default_factory=os.getpid)
    limits: Limits = field(default_factory=Limits)
    options: Options = field(default_factory=Options)
    copying: CopyOptions = field(default_factory=CopyOptions)
    renewed: bool = False
    deployed: DeployedTypes = field(default_factory=DeployedTypes)
