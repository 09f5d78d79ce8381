"""`ssms upload`, on a store that nobody holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.command_line import finish, ssms, start
from tests.uploaded_tally import tally

pytestmark = pytest.mark.process


def test_a_module_is_taken_in_called_replaced_rolled_back_and_removed(tmp_path: Path) -> None:
    first, second = tally(tmp_path), tally(tmp_path, step=10)
    taken = ssms("upload", first, "--name", "t", "--uploader", "ann", "--limit", "fuel=1e6", "--json", cwd=tmp_path)
    assert (taken.json["name"], taken.json["types"], taken.json["version"]) == ("t", ["Tally"], 1), taken.err
    assert ssms("call", "Tally/one", "add", "2", "--json", cwd=tmp_path).json == {"result": 2}
    assert ssms("upload", second, "--name", "t", "--uploader", "ann", cwd=tmp_path).out == "t, version 2, runs: Tally\n"
    assert ssms("call", "Tally/one", "add", "2", "--json", cwd=tmp_path).json == {"result": 22}
    assert ssms("upload", "--name", "t", "--rollback", "--json", cwd=tmp_path).json["version"] == 1
    assert ssms("upload", "--name", "t", "--rollback", "--to", "2", "--json", cwd=tmp_path).json["version"] == 2
    [listed] = ssms("upload", "--list", "--json", cwd=tmp_path).json
    assert (listed["name"], listed["versions"], listed["uploader"]) == ("t", [1, 2], "ann")
    assert "Tally" in ssms("upload", "--list", cwd=tmp_path).out
    assert ssms("upload", "--name", "t", "--remove", "--json", cwd=tmp_path).json == {"removed": "t"}
    assert ssms("upload", "--list", "--json", cwd=tmp_path).json == []
    assert "if the upload was removed" in ssms("call", "Tally/one", "add", "2", cwd=tmp_path).err


HOLD = """
import asyncio, sys
from automata import ref

async def main():
    for _ in range(3):
        await ref("Tally", "one").add(1)
    print("up", flush=True)
    await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


def test_what_was_used_is_listed_in_later_lives_and_while_another_process_holds_the_store(tmp_path: Path) -> None:
    ssms("upload", tally(tmp_path), "--name", "t", "--uploader", "ann", cwd=tmp_path)
    ssms("call", "Tally/one", "add", "2", cwd=tmp_path)
    [freshly] = ssms("upload", "--list", "--json", cwd=tmp_path).json
    assert (freshly["usage"]["runs"], freshly["of_uploader"]["runs"]) == (1, 1)
    assert freshly["usage"]["fuel"] > 0
    (tmp_path / "hold.py").write_text(HOLD)
    holder = start("run", tmp_path / "hold.py", cwd=tmp_path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "up\n"
    [held] = ssms("upload", "--list", "--json", cwd=tmp_path).json
    assert held == freshly
    refused = ssms("upload", "--name", "t", "--remove", "--json", cwd=tmp_path)
    assert (refused.code, refused.json["error"]) == (1, "StoreLocked")
    done = finish(holder)
    assert done.code == 0, done.err
    [later] = ssms("upload", "--list", "--json", cwd=tmp_path).json
    assert (later["usage"]["runs"], later["of_uploader"]["runs"]) == (4, 4)
    assert "ann" in ssms("upload", "--list", cwd=tmp_path).out


def test_what_cannot_be_uploaded_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "bad.wasm").write_bytes(b"no module")
    refused = ssms("upload", "bad.wasm", "--json", cwd=tmp_path)
    assert (refused.code, refused.json["error"]) == (1, "ModuleRefused")
    assert refused.err.count("\n") == 1
    unknown = ssms("upload", "bad.wasm", "--limit", "speed=1", "--json", cwd=tmp_path)
    assert (unknown.code, unknown.json["error"]) == (1, "InvalidArgument")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("gone.wasm",),
        ("--name", "t", "--to", "2"),
        ("--list", "--remove"),
        ("t.wasm", "--limit", "fuel=much"),
        ("t.wasm", "--limit", "fuel"),
    ],
)
def test_wrong_usage_exits_with_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "t.wasm").touch()
    assert ssms("upload", *words, cwd=tmp_path).code == 2
