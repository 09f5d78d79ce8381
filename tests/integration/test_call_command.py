from pathlib import Path

import pytest

from tests.integration.command_line import ACCOUNT, finish, ssms, start, write

pytestmark = pytest.mark.process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "bank.py", ACCOUNT)
    return tmp_path


def call(folder: Path, *words: str):
    return ssms("call", *words, "--app", "bank.py", "--json", cwd=folder)


def test_a_call_prints_the_result_and_the_next_command_sees_it(folder: Path) -> None:
    assert call(folder, "Account/alice", "deposit", "100").json == {"result": 100}
    assert call(folder, "Account/alice", "deposit", "-30").json == {"result": 70}


def test_arguments_take_the_types_that_the_method_declares(folder: Path) -> None:
    words = ["Account/a/b", "name", "42", "2024-05-06T07:08:09", '{"what": "gift", "amount": 5}']
    assert call(folder, *words).json == {"result": None}
    assert call(folder, "Account/a/b", "entries").json == {"result": [{"what": "gift", "amount": 5}]}


def test_a_ref_is_written_as_type_and_key(folder: Path) -> None:
    assert call(folder, "Account/alice", "pay", "Account/bob", "30").code == 0
    shown = ssms("show", "Account/alice", "--json", cwd=folder).json
    assert shown["fields"]["friends"] == {"kind": "Set", "size": 1, "shown": ["Account/bob"]}


def test_the_same_idempotency_key_gives_the_recorded_result(folder: Path) -> None:
    for _ in range(2):
        assert call(folder, "Account/alice", "deposit", "5", "--key", "once").json == {"result": 5}
    changed = call(folder, "Account/alice", "deposit", "6", "--key", "once")
    assert (changed.code, changed.json["error"]) == (1, "InvalidArgument")


def test_no_wait_stores_a_message_and_prints_its_id(folder: Path) -> None:
    sent = call(folder, "Account/alice", "deposit", "5", "--no-wait")
    assert sent.json["message"].isdecimal()
    assert call(folder, "Account/alice", "deposit", "0").code == 0
    assert call(folder, "Account/alice", "entries").code == 0


def test_what_the_method_raises_is_told_in_one_line(folder: Path) -> None:
    refused = call(folder, "Account/alice", "withdraw", "5")
    assert refused.code == 1
    assert refused.json == {"error": "InsufficientFunds", "message": "0"}
    assert refused.err == "InsufficientFunds: 0\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("Account/alice", "deposit", "lots"), "InvalidArgument"),
        (("Account/alice", "deposit"), "InvalidArgument"),
        (("Account/alice", "deposit", "1", "2"), "InvalidArgument"),
        (("Account/alice", "_secret"), "NotPublic"),
        (("Account/alice", "balance"), "NotPublic"),
        (("Account/alice", "nothing"), "UnknownMethod"),
        (("Nobody/alice", "deposit", "1"), "UnknownType"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_by_name(folder: Path, words: tuple[str, ...], error: str) -> None:
    refused = call(folder, *words)
    assert (refused.code, refused.json["error"]) == (1, error)
    assert refused.err.startswith(f"{error}: ")
    assert refused.err.count("\n") == 1
    assert not (folder / "data").exists(), "it was refused before the store was touched"


@pytest.mark.parametrize(
    "words",
    [
        ("Account", "deposit", "1"),
        ("Account/", "deposit", "1"),
        ("/alice", "deposit", "1"),
        ("Account/alice", "deposit", '{"a'),
        ("Account/alice",),
        ("Account/alice", "deposit", "1", "--no-wait", "--key", "k"),
    ],
)
def test_wrong_usage_exits_with_two(folder: Path, words: tuple[str, ...]) -> None:
    assert call(folder, *words).code == 2


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert ssms("call", "A/b", "c", "--app", "none.py", cwd=tmp_path).code == 2


def test_an_error_in_the_app_file_shows_its_line(tmp_path: Path) -> None:
    write(tmp_path, "broken.py", "x = 1\nraise RuntimeError('not today')\n")
    done = ssms("call", "A/b", "c", "--app", "broken.py", cwd=tmp_path)
    assert done.code == 1
    assert "broken.py" in done.err
    assert done.err.endswith("RuntimeError: not today\n")


def test_a_path_that_cannot_hold_a_store_is_refused(folder: Path) -> None:
    write(folder, "taken", "a file")
    refused = call(folder, "Account/a", "deposit", "1", "--store", "taken")
    assert (refused.code, refused.json["error"]) == (1, "StorePathError")


def test_what_the_app_file_prints_is_no_part_of_the_result(folder: Path) -> None:
    write(folder, "bank.py", 'print("imported")\n' + ACCOUNT)
    done = call(folder, "Account/alice", "deposit", "5")
    assert (done.json, done.err) == ({"result": 5}, "imported\n")


def test_a_call_that_is_refused_the_store_says_one_line(folder: Path) -> None:
    holder = start("run", write(folder, "hold.py", "print('up', flush=True)\ninput()\n"), cwd=folder)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "up\n"
    refused = call(folder, "Account/alice", "deposit", "5")
    assert holder.stdin is not None
    holder.stdin.write("\n")
    assert finish(holder).code == 0
    assert (refused.code, refused.json["error"]) == (1, "StoreLocked")
    assert refused.err.count("\n") == 1, refused.err
