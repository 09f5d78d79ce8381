import asyncio
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

import ssms as engine
from automata import ref
from ssms.demo.plan import Plan
from ssms.demo.process import Worker
from ssms.demo.retwis import User
from ssms.demo.telling import Audited
from tests.integration.command_line import finish, ssms, start

pytestmark = pytest.mark.process


def audit(plan: Plan) -> list[str]:
    with Worker(plan, "audit") as worker:
        return next(told for told in worker if isinstance(told, Audited)).differences


def test_the_demo_kills_its_worker_and_finds_everything_as_the_model_says(tmp_path: Path) -> None:
    done = ssms("demo", "--users", "200", "--posts", "200", "--store", "kept", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    found = done.json
    assert found["ok"]
    assert (found["posts"], found["differences"]) == (200, [])
    assert found["kill"]["acknowledged"] >= 100
    assert {operation["name"] for operation in found["operations"]} == {"Post", "GetTimeline", "Follow"}
    assert (tmp_path / "ssms-demo.png").exists() or (tmp_path / "ssms-demo.svg").exists()
    # the kept store is one like any other
    assert ssms("ps", "--store", "kept", "--json", cwd=tmp_path).json["types"]["User"]["objects"] == found["users"]
    again = ssms("demo", "--store", "kept", "--json", cwd=tmp_path)
    assert (again.code, again.json["error"]) == (1, "StorePathError")


def test_the_demo_prints_a_table_and_where_the_figure_is(tmp_path: Path) -> None:
    done = ssms("demo", "--users", "60", "--posts", "40", "--plot", "figures.png", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "GetTimeline" in done.out
    assert "nothing lost, nothing doubled" in done.out
    assert "figures." in done.out
    assert "Post      spans the kill" in done.out


def test_the_audit_finds_a_post_that_was_doubled_and_one_that_was_lost(tmp_path: Path) -> None:
    plan = Plan(str(tmp_path / "store"), str(tmp_path / "journal"), users_max=30, posts=10, reads=1, callers=4)
    with Worker(plan, "load", "post") as worker:
        list(worker)
    assert audit(plan) == []
    # the model expects one post fewer: what is there of the last one is too much
    fewer = replace(plan, posts=9)
    assert any("post 9 doubled or misplaced" in line for line in audit(fewer))

    async def deliver_twice() -> None:
        async with engine.open(plan.store):
            await ref(User, "1").create_post("post 3")

    asyncio.run(deliver_twice())
    assert any("User/1: nothing lost, post 3 doubled" in line for line in audit(plan))
    shutil.rmtree(plan.store)
    with Worker(plan, "load") as worker:
        list(worker)
    assert any("lost" in line for line in audit(plan))


def test_a_figure_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    done = ssms("demo", "--users", "30", "--posts", "20", "--plot", "/dev/null/x.png", "--json", cwd=tmp_path)
    assert (done.code, done.json["error"]) == (1, "StorePathError")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_the_demo_and_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "tmp").mkdir()
    demo = start("demo", cwd=tmp_path, TMPDIR=str(tmp_path / "tmp"))
    assert demo.stderr is not None
    assert demo.stderr.readline().startswith("Register")
    demo.send_signal(number)
    done = finish(demo)
    assert done.code == 128 + number
    assert done.err.endswith("ted: the demo was not finished\n")
    assert list((tmp_path / "tmp").iterdir()) == []
