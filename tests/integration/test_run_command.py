import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.command_line import ACCOUNT, ROOT, Done, finish, ssms, start, write

pytestmark = pytest.mark.process

# Each adds to alice's balance for ever, saying each acknowledged balance.
ASYNC = (
    ACCOUNT
    + """
import asyncio

async def main():
    while True:
        print(await ref(Account, "alice").deposit(1), flush=True)

asyncio.run(main())
"""
)
SYNC = ACCOUNT + "while True: print(app.run(ref(Account, 'alice').deposit(1)), flush=True)\n"
SLOW_METHOD = (
    ACCOUNT.replace("self.balance += amount", "self.balance += amount; await __import__('asyncio').sleep(amount - 1)")
    + """
import asyncio

async def main():
    print(await ref(Account, "alice").deposit(1), flush=True)
    await ref(Account, "alice").deposit(60)

asyncio.run(main())
"""
)
STUBBORN = (
    ACCOUNT
    + """
import time

print(app.run(ref(Account, "alice").deposit(1)), flush=True)
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("never mind", flush=True)
"""
)
BUSY_METHOD = (
    ACCOUNT.replace("self.balance += amount", "self.balance += amount; __import__('time').sleep(amount - 1)")
    + """
print(app.run(ref(Account, "alice").deposit(1)), flush=True)
app.run(ref(Account, "alice").deposit(60))
"""
)

FORGOTTEN = (
    ACCOUNT
    + """
import time

print(app.run(ref(Account, "alice").deposit(1)), flush=True)
meant = ref(Account, "alice").deposit(1)
time.sleep(60)
app.run(meant)
"""
)


def end_by(process: "subprocess.Popen[str]", number: int) -> Done:
    """Let it answer once, and signal it."""
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    os.kill(process.pid, number)
    rest = (
        process.stdout.read()
    )  # not left to communicate(), which would miss what readline() has taken beyond its line
    done = finish(process)
    return Done(done.code, rest, done.err)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("program", [ASYNC, SYNC, SLOW_METHOD, STUBBORN, BUSY_METHOD, FORGOTTEN])
def test_a_signal_ends_a_program_cleanly_and_nothing_acknowledged_is_lost(
    tmp_path: Path, program: str, number: signal.Signals
) -> None:
    done = end_by(start("run", write(tmp_path, "program.py", program), cwd=tmp_path), number)
    assert done.code == 128 + number, done.err
    assert done.err.count("\n") == 1, done.err
    assert "all that was acknowledged is in the store" in done.err
    acknowledged = max((int(word) for word in done.out.split() if word.isdecimal()), default=1)
    balance = ssms("show", "Account/alice", "--json", cwd=tmp_path).json["fields"]["balance"]
    assert balance in {acknowledged, acknowledged + 1}


def test_the_file_is_main_with_its_own_arguments_and_the_app(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    write(tmp_path / "inner", "beside.py", "value = 42\n")
    program = "import sys, beside, threading\nprint(__name__, sys.argv, type(app).__name__, beside.value)\n"
    program += "assert threading.current_thread() is threading.main_thread()\n"
    file = write(tmp_path / "inner", "program.py", program)
    done = ssms("run", file, "one", "--two", "-3", "--", "--store", "x", cwd=tmp_path)
    assert done.err == ""
    assert done.out == f"__main__ {[str(file), 'one', '--two', '-3', '--store', 'x']} App 42\n"


@pytest.mark.parametrize(("ending", "code"), [("sys.exit(7)", 7), ("sys.exit()", 0), ("sys.exit('bye')", 1)])
def test_the_exit_code_is_the_one_of_the_file(tmp_path: Path, ending: str, code: int) -> None:
    done = ssms("run", write(tmp_path, "program.py", f"import sys\n{ending}\n"), cwd=tmp_path)
    assert done.code == code
    assert done.err == ("bye\n" if "bye" in ending else "")


def test_an_error_in_the_file_shows_its_traceback_from_there(tmp_path: Path) -> None:
    done = ssms("run", write(tmp_path, "program.py", "def f():\n    1 / 0\n\nf()\n"), cwd=tmp_path)
    assert done.code == 1
    assert done.err.startswith("Traceback")
    assert "runpy" not in done.err
    assert done.err.endswith("ZeroDivisionError: division by zero\n")


def test_the_store_is_closed_when_the_file_ends(tmp_path: Path) -> None:
    file = write(tmp_path, "program.py", ACCOUNT + "print(app.run(ref(Account, 'a').deposit(1)))\n")
    assert [ssms("run", file, "--store", "s", cwd=tmp_path).out for _ in range(2)] == ["1\n", "2\n"]


def test_a_path_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    done = ssms("run", write(tmp_path, "program.py", ""), "--store", "/dev/null/store", "--json", cwd=tmp_path)
    assert (done.code, done.json["error"]) == (1, "StorePathError")


def test_the_example_of_its_help_runs(tmp_path: Path) -> None:
    example = 'from counter import Counter; print(app.run(app.ref(Counter, "visits").add(1)))'
    assert example in ssms("run", "--help", cwd=tmp_path).out
    write(tmp_path, "counter.py", (ROOT / "examples" / "counter.py").read_text())
    done = ssms("run", write(tmp_path, "add.py", example), "--store", "./data", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "1\n", "")


def test_a_file_that_opens_the_same_store_is_told_to_use_the_app_it_has(tmp_path: Path) -> None:
    file = write(tmp_path, "program.py", "import ssms\nwith ssms.open('data'): pass\n")
    done = ssms("run", file, "--json", cwd=tmp_path)
    assert (done.code, done.json["error"]) == (1, "StoreLocked")
    assert "the global `app`" in done.err
    assert done.err.count("\n") == 1, done.err
    other = ssms("run", file, "--store", "other", cwd=tmp_path)
    assert other.code == 0, other.err
