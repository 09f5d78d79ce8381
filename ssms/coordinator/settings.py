"""How a coordinator behaves: how long it waits for what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Time is counted in ticks of the coordinator itself: while it stands still, nobody falls under suspicion.

    silent_ticks_max: a copy whose heartbeat is missing for so long is suspect. absent_ticks_max: copies on a node that
    has been away for so long are replaced on others. begin_ticks_max: a new store waits so long for all its copies.
    sweep_ticks: all stores are looked over so often. look_ticks: the nodes are asked for so often.
    head_seconds_max, follow_seconds_max, lead_seconds_max: how long a copy may take to say what it holds, to follow, to
    lead; each failure of a store doubles the last, since a store may take long to recover. load_seconds_max and
    give_seconds_max: how long it may take to load types, and to give objects away before it is asked again.
    examine_seconds_max: how long a host may take to compile and look at an uploaded module.
    calm_ticks: a store is handed over to another copy only so long after its last change. resign_seconds_max: how long
    its leader may take to finish what it does.
    retry_seconds: between tries of what has to succeed in the end. slots_at_once: so many slots at most move in one go.
    token: what a deployer has to show, if anything. auto_join: machines that Ray has and the catalog has not take their
    share by themselves, unless they were dropped.
    """

    tick_seconds: float = 0.25
    silent_ticks_max: int = 12
    absent_ticks_max: int = 20
    begin_ticks_max: int = 40
    sweep_ticks: int = 8
    look_ticks: int = 2
    head_seconds_max: float = 1.0
    follow_seconds_max: float = 2.0
    lead_seconds_max: float = 5.0
    load_seconds_max: float = 30.0
    examine_seconds_max: float = 300.0
    give_seconds_max: float = 30.0
    calm_ticks: int = 8
    resign_seconds_max: float = 10.0
    retry_seconds: float = 0.25
    slots_at_once: int = 128
    token: str | None = None
    auto_join: bool = False
