"""A private PostgreSQL server for one test session: in a folder of its own, on a socket, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_START_SECONDS_MAX = 60
_PORT = "5432"  # part of the socket's name only: the server listens on no network


def binaries() -> Path | None:
    """Where Debian's, or another, server is installed; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("initdb")
    return None if named is None else Path(named).parent


@contextmanager
def server() -> Iterator[str]:
    """Start a server; gives the URL of its database. Skips the test where no server is installed."""
    bin_folder = binaries()
    if bin_folder is None:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    prefix = _unprivileged(folder)
    data, control = folder / "data", str(bin_folder / "pg_ctl")

    def run(*command: str) -> None:
        done = subprocess.run(
            [*prefix, *command], check=False, cwd=folder, capture_output=True, timeout=_START_SECONDS_MAX, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        run(str(bin_folder / "initdb"), "-D", str(data), "-U", "ssms", "-A", "trust", "-N", "--locale=C", "-E", "UTF8")
        options = f"-c listen_addresses='' -k {folder} -p {_PORT} -c fsync=off"
        run(control, "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql+psycopg://ssms@/postgres?host={folder}&port={_PORT}"
        finally:
            run(control, "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> list[str]:
    """The server refuses to run as root: then another user owns the folder, and commands run as that."""
    if os.geteuid() != 0:
        return []
    user = next(name for name in ("postgres", "nobody") if _exists(name))
    shutil.chown(folder, user)
    return ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
