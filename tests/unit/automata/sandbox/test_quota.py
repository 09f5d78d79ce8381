"""What one uploader may use over time and at once."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from automata import errors, ref
from automata.app import App
from automata.options import Options
from automata.sandbox import quota as quotas
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.quota import Quota
from automata.sandbox.shims import Guest
from automata.sandbox.targets import Targets
from automata.types import Registry
from tests.clock import Clock
from tests.core_modules import take, with_module
from tests.memory_app import in_loop, memory_app
from tests.sandbox_tools import tools


def test_fuel_beyond_the_rate_turns_calls_away_until_it_has_come_in_again() -> None:
    clock = Clock()
    quota = Quota("me", SandboxLimits(fuel_per_second=100), clock)
    quota.charge(499)
    quota.admit()
    quota.charge(101)
    with pytest.raises(errors.Overloaded, match="fuel_per_second"):
        quota.admit()
    clock.now += 2
    quota.admit()


def test_no_more_than_some_seconds_are_saved_up() -> None:
    clock = Clock()
    quota = Quota("me", SandboxLimits(fuel_per_second=100), clock)
    clock.now += 1000
    quota.admit()
    quota.charge(600)
    with pytest.raises(errors.Overloaded):
        quota.admit()


def test_what_was_used_without_a_rate_is_not_held_against_a_later_one() -> None:
    clock = Clock()
    quota = Quota("me", SandboxLimits(), clock)
    quota.charge(1 << 40)
    quota.admit()
    quota.limits = SandboxLimits(fuel_per_second=100)
    clock.now += 1
    quota.admit()


def test_messages_beyond_the_rate_are_refused_until_it_has_come_in_again() -> None:
    clock = Clock()
    quota = Quota("me", SandboxLimits(messages_per_second=10), clock)
    quota.send(49)
    quota.send(2000)  # one part may overdraw it, or it could never send them
    for _ in range(2):
        with pytest.raises(errors.LimitExceeded) as raised:
            quota.send(1)
        assert raised.value.limit == "messages_per_second"
    quota.send(0)
    clock.now += 201
    quota.send(1)


def test_messages_without_a_rate_are_not_counted() -> None:
    quota = Quota("me", SandboxLimits(messages_per_second=0), Clock())
    quota.send(1 << 40)
    quota.send(1)


@in_loop
async def test_places_go_to_who_waits_longest_and_to_nobody_who_has_gone() -> None:
    loop = asyncio.get_running_loop()
    quota = Quota("me", SandboxLimits(runs_at_once=1), lambda: 0.0)
    assert quota.enter(loop) is None
    first, second, third = (quota.enter(loop) for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    first.cancel()
    quota.leave(first)
    quota.leave(None)
    assert (second.done(), third.done()) == (True, False)
    quota.leave(second)
    assert third.done()
    quota.leave(third)
    assert quota.enter(loop) is None


@in_loop
async def test_a_place_given_to_one_who_is_gone_already_goes_on() -> None:
    loop = asyncio.get_running_loop()
    quota = Quota("me", SandboxLimits(runs_at_once=1), lambda: 0.0)
    assert quota.enter(loop) is None
    first, second = quota.enter(loop), quota.enter(loop)
    assert first is not None
    assert second is not None
    quota.leave(None)
    quota.leave(first)  # it was granted its place, and has been cancelled before it knew
    assert second.done()


@in_loop
async def test_too_many_that_wait_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "WAITING_MAX", 1)
    loop = asyncio.get_running_loop()
    quota = Quota("me", SandboxLimits(runs_at_once=1), lambda: 0.0)
    quota.enter(loop)
    quota.enter(loop)
    with pytest.raises(errors.Overloaded):
        quota.enter(loop)


@in_loop
async def test_calls_are_turned_away_by_the_rate_and_do_nothing() -> None:
    clock = Clock()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with memory_app(options=Options(modules=folder / "modules", clock=clock)) as app:
            await take(app, folder, tools(), limits={"fuel_per_second": 100_000}, uploader="me")
            assert await ref("Guest", "one").spin_then_count(200_000) == 1
            with pytest.raises(errors.Overloaded):
                await ref("Guest", "one").spin_then_count(1)
            with pytest.raises(errors.Overloaded):
                await ref("Guest", "one").own_key()
            clock.now += 60
            assert await ref("Guest", "one").spin_then_count(1) == 2


async def storm() -> None:
    while True:
        await ref("Guest", "one").own_key()


@in_loop
async def test_a_storm_of_short_runs_meets_the_rate_too() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with memory_app(options=Options(modules=folder / "modules", clock=Clock())) as app:
            await take(app, folder, tools(), limits={"fuel_per_second": 1_000_000}, uploader="me")
            with pytest.raises(errors.Overloaded):
                await asyncio.wait_for(storm(), 60)


def test_a_method_that_goes_on_after_a_crash_is_not_turned_away() -> None:
    quota = Quota("me", SandboxLimits(fuel_per_second=1), lambda: 0.0)
    quota.charge(100)
    guest = Guest(cast("Any", None), SandboxLimits(), Targets(Registry(), "x"), quota, threads=True)
    turn = SimpleNamespace(replaying=False, entity=SimpleNamespace(key="one"))
    with pytest.raises(errors.Overloaded):
        guest.session(cast("Any", turn), inline=False)
    turn.replaying = True
    assert guest.session(cast("Any", turn), inline=False).key == "one"


@with_module(tools(), runs_at_once=1)
async def test_runs_that_wait_for_their_place_are_all_done_in_the_end(app: App) -> None:
    calls = (ref("Guest", f"k{n}").spin_then_count(600_000) for n in range(6))
    assert await asyncio.gather(*calls) == [1] * 6


@with_module(tools(), seconds=0.2, fuel=1 << 40)
async def test_a_run_that_is_stopped_for_its_time_has_used_its_fuel(app: App) -> None:
    with pytest.raises(errors.LimitExceeded):
        await ref("Guest", "one").spin_then_count(1 << 40)
    [upload] = [upload async for upload in app.uploads()]
    assert upload.usage.fuel >= 10_000_000_000
