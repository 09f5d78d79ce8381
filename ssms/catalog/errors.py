"""What can go wrong with a catalog."""

from __future__ import annotations

from darq.errors import AutomataError


class CatalogAway(AutomataError):
    """The database's fault: it cannot be reached, or has failed (the message says how).

    Nothing was changed, or nobody knows: every change is a compare-and-set, so it can be tried again. Objects go on
    being served meanwhile; what waits is failover and all other changes of the cluster.
    """


class NewerCatalog(AutomataError):
    """The catalog was made by a newer release. Nothing was changed; open it with that release or a later one."""


class Outrun(AutomataError):
    """Nobody's fault: somebody else has changed the same row first, so this change was not made. Look again, decide
    again.
    """
