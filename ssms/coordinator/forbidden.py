"""Who may bring code to a cluster: who knows its token."""

from __future__ import annotations

import hmac

from darq.errors import AutomataError


class Forbidden(AutomataError):
    """The caller's fault: only who knows the cluster's token may register code. Give the token of `ssms up`."""


def check_token(expected: str | None, token: str) -> None:
    """Raise Forbidden unless this is the token, where there is one."""
    if expected is not None and not hmac.compare_digest(expected.encode(), token.encode()):
        raise Forbidden("only who knows the cluster's token may deploy: give the one that `ssms up` was given")
