import json
import zlib
from pathlib import Path

import msgspec
import pytest

from automata.envelope import Payload, encode_payload
from automata.partitions import partition_of
from darq import Log, Message, RocksStore
from tests.integration.command_line import ACCOUNT, finish, ssms, start, write

pytestmark = pytest.mark.process

FILL = (
    ACCOUNT
    + """
import asyncio

async def main():
    for n in range(30):
        await ref(Account, "alice").deposit(n)
    await ref(Account, "alice").pay(ref(Account, "bob"), 5)
    try:
        await ref(Account, "alice").withdraw(10_000)
    except InsufficientFunds:
        pass

asyncio.run(main())
"""
)

# goes on adding in the main thread until its standard input ends, and says what it had acknowledged
HOLD = (
    ACCOUNT
    + """
import asyncio, sys, threading

def reader():
    sys.stdin.read()
    done.set()

done = threading.Event()
threading.Thread(target=reader, daemon=True).start()

async def main():
    balance = await ref(Account, "alice").deposit(1)
    print("up", flush=True)
    while not done.is_set():
        balance = await ref(Account, "alice").deposit(1)
    print(balance, flush=True)

asyncio.run(main())
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "bank.py", ACCOUNT)
    assert ssms("run", write(tmp_path, "fill.py", FILL), cwd=tmp_path).code == 0
    return tmp_path


def test_ps_counts_objects_by_type(folder: Path) -> None:
    found = ssms("ps", "--json", cwd=folder).json
    assert found["holder"] is None
    assert found["types"]["Account"]["objects"] == 2
    table = ssms("ps", cwd=folder)
    assert "Account" in table.out


def test_ps_with_the_app_marks_types_that_it_lacks(folder: Path) -> None:
    other = write(folder, "other.py", "from automata import object_type\n@object_type\nclass Other:\n    n: int = 0\n")
    types = ssms("ps", "--json", "--app", other, cwd=folder).json["types"]
    assert not types["Account"]["defined"]
    assert types["Other"]["defined"]
    assert types["Other"]["objects"] == 0


def test_show_without_types_shows_the_rows(folder: Path) -> None:
    fields = ssms("show", "Account/alice", "--json", cwd=folder).json["fields"]
    assert fields["balance"] == sum(range(30)) - 5
    assert fields["history"]["size"] == 30
    assert fields["history"]["shown"] == [{"what": "deposit", "amount": n} for n in range(10, 30)]
    assert "owner" not in fields


def test_show_with_types_shows_defaults_and_all_entries_when_asked(folder: Path) -> None:
    words = ["show", "Account/alice", "--app", "bank.py", "--limit", "0"]
    fields = ssms(*words, "--json", cwd=folder).json["fields"]
    assert fields["owner"] == "nobody"
    assert fields["limits"] == {"kind": "Map", "size": 0, "shown": []}
    assert len(fields["history"]["shown"]) == 30
    assert "Entry(what='deposit', amount=29)" in ssms(*words, cwd=folder).out


def test_show_of_an_object_that_is_not_there_says_so(folder: Path) -> None:
    missing = ssms("show", "Account/carol", "--json", cwd=folder)
    assert (missing.code, missing.json["error"]) == (1, "InvalidArgument")
    assert "Account/carol" in missing.err


def test_log_shows_the_steps_in_order(folder: Path) -> None:
    steps = ssms("log", "Account/alice", "--json", cwd=folder).json
    assert [step["method"] for step in steps] == ["deposit"] * 30 + ["pay"]
    assert steps[-1]["sends"] == 1
    assert len(ssms("log", "Account/alice", "--last", "3", "--json", cwd=folder).json) == 3
    assert "pay" in ssms("log", "Account/alice", cwd=folder).out
    assert ssms("log", "Account/carol", "--json", cwd=folder).json == []


@pytest.mark.parametrize("command", [("ps",), ("show", "Account/alice"), ("log", "Account/alice")])
def test_looking_at_no_store_is_refused_and_makes_none(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = ssms(*command, "--json", cwd=tmp_path)
    assert (done.code, done.json["error"]) == (1, "StorePathError")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", [("ps",), ("run", "fill.py")])
def test_a_store_of_a_newer_format_is_refused(folder: Path, command: tuple[str, ...]) -> None:
    file = folder / "data" / "FORMAT"
    fields = json.loads(file.read_text()) | {"version": 99}
    fields["crc32"] = zlib.crc32(f"99 {fields['identity']}".encode())
    file.write_text(json.dumps(fields))
    done = ssms(*command, "--json", cwd=folder)
    assert (done.code, done.json["error"]) == (1, "NewerFormat")


def leave_message(folder: Path, type_name: str, key: str, method: str, argument: int) -> None:
    """A message in the inbox of the store that nobody has run."""
    log = Log(RocksStore(folder / "data"))
    step = log.step(b"")
    arguments = msgspec.msgpack.encode([msgspec.msgpack.encode(argument)])
    step.send(Message(partition_of(type_name, key), encode_payload(Payload(method, arguments))))
    log.commit(step)
    log.close()


def waiting(folder: Path) -> tuple[int, int, int]:
    found = ssms("ps", "--json", cwd=folder).json["types"]["Account"]
    return found["inbox"], found["undefined"], found["dead"]


def test_messages_of_a_type_that_nobody_defines_are_listed_and_delivered_once_it_is_back(folder: Path) -> None:
    leave_message(folder, "Account", "zoe", "deposit", 7)
    assert waiting(folder) == (1, 0, 0)
    idle = write(folder, "idle.py", "while app.run(app.stats())['messages_in_memory']: pass\n")
    assert ssms("run", idle, cwd=folder).code == 0
    assert waiting(folder) == (0, 1, 0)
    back = ACCOUNT + "while app.run(app.inspect(ref(Account, 'zoe')))['balance'] != 7: pass\n"
    assert ssms("run", write(folder, "back.py", back), cwd=folder).code == 0
    assert waiting(folder) == (0, 0, 0)


def test_timers_are_counted_until_they_have_rung(folder: Path) -> None:
    later = ACCOUNT + (
        "from automata import cancel, send\n"
        "messages = [send(ref(Account, 'zoe').deposit(n), delay=3600) for n in range(3)]\n"
        "assert app.run(cancel(messages[0]))\n"
    )
    assert ssms("run", write(folder, "later.py", later), cwd=folder).code == 0
    found = ssms("ps", "--json", cwd=folder).json["types"]["Account"]
    assert (found["inbox"], found["timers"]) == (0, 2)
    assert "timers" in ssms("ps", cwd=folder).out


def test_a_message_waits_while_the_file_is_still_defining_what_its_type_names(folder: Path) -> None:
    leave_message(folder, "Account", "zoe", "deposit", 7)
    late = ACCOUNT.replace("limits: Map[str, int]", "limits: Map[str, 'Limit']") + (
        "\n# the loop gets many turns in between\nfor _ in range(200): app.run(app.stats())\n"
        "Limit = int\nwhile app.run(app.inspect(ref(Account, 'zoe')))['balance'] != 7: pass\n"
    )
    assert ssms("run", write(folder, "late.py", late), cwd=folder).code == 0
    assert waiting(folder) == (0, 0, 0)


def test_a_held_store_can_be_read_again_and_again_and_its_holder_notices_nothing(folder: Path) -> None:
    holder = start("run", write(folder, "hold.py", HOLD), cwd=folder)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "up\n"
    balances = []
    for _ in range(3):
        found = ssms("ps", "--json", cwd=folder).json
        assert found["holder"]["pid"] == holder.pid
        balances.append(ssms("show", "Account/alice", "--json", cwd=folder).json["fields"]["balance"])
        assert ssms("log", "Account/alice", "--last", "1", "--json", cwd=folder).json[0]["method"] == "deposit"
    refused = ssms("call", "Account/alice", "deposit", "1", "--app", "bank.py", "--json", cwd=folder)
    assert (refused.code, refused.json["error"]) == (1, "StoreLocked")
    assert str(holder.pid) in refused.err
    done = finish(holder)
    assert done.code == 0, done.err
    assert balances == sorted(balances)
    assert int(done.out) >= balances[-1]
    assert ssms("show", "Account/alice", "--json", cwd=folder).json["fields"]["balance"] == int(done.out)
