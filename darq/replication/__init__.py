"""Copies of one store: a primary and its backups (LambdaObjects §4.2.1, SSMS §3.3).

    Log.seal -> ReplicatedStore.write      recorded as an Entry: (epoch, number, hash over its predecessor's)
        |               |
    own flush        Primary: one call in flight to each backup, with all that gathered meanwhile (Link says what)
        |               |  Ship: groups, chunks of a copy, what is released, a heartbeat
        |            Backup.receive: checks epoch and chain, one batch a group with the chain row, one flush
        |               |  Reply: how far its disk is; grants the primary a lease from the time when it SENT the call
        +---> min over all in sync ---> Log.settle: the gate opens

A backup that fails is dropped through the catalog (Members.drop), and gone on without once its own read lease is over.
One that comes back gets the groups it lacks, or is copied anew, and counts again from before Members.add is called. To
change the primary the catalog takes a new epoch and calls `Backup.lead` of a copy in sync: from then on it acknowledges
nothing older, waits until the lease that it granted is over, and hands its store to a new Primary.

    backup = Backup(store, clock);  reply = await backup.receive(data)
    recent = await backup.lead(epoch, old_is_dead)
    primary = Primary(store, epoch, others, Outside(clock, ship, members), recent=recent);  await primary.ready()
    log = Log(primary.store, limits, epoch=epoch, copies=primary)      # its Committer binds itself to the primary
"""

from darq.replication.backup import Backup
from darq.replication.chain import Head, head_of, promised_epoch
from darq.replication.messages import epoch_of
from darq.replication.options import Options
from darq.replication.outside import Members, Outside
from darq.replication.primary import Primary
from darq.replication.recent import Recent

__all__ = [
    "Backup",
    "Head",
    "Members",
    "Options",
    "Outside",
    "Primary",
    "Recent",
    "epoch_of",
    "head_of",
    "promised_epoch",
]
