"""The files of a store on disk that lie beside its database, and who may open it.

FOLDER/FORMAT    json: version, identity, crc32; written last when a store is made, so that it marks a whole one
FOLDER/holder    json: which process holds the store; locked while it does
FOLDER/released  group:u64 crc32:u32, the last acknowledged group, written in place, not synced
FOLDER/rocks/    the database
FOLDER/modules/  uploaded modules, named by their hashes, and their compiled forms
"""

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import sys
import zlib
from pathlib import Path

from darq.codec import FORMAT_VERSION
from darq.errors import AutomataError, NewerFormat, StorageFull, StoreDamaged, StoreLocked, StorePathError

DATABASE = "rocks"
MODULES = "modules"
_RELEASED_BYTES = 12
_OWN_FILES = {"FORMAT.new", "holder", "released", DATABASE, MODULES, "lost+found"}
_DATABASE_FILE = re.compile(
    r"CURRENT|IDENTITY|LOCK|LOG.*|MANIFEST-.*|OPTIONS-.*|.*\.(log|sst|dbtmp)|rocksdict-config\.json"
)


def refuse_foreign(folder: Path) -> None:
    """Raise StorePathError for a folder that holds somebody else's files and no store: none of them is touched."""
    if not folder.is_dir() or (folder / "FORMAT").exists():
        return
    foreign = {path.name for path in folder.iterdir()} - _OWN_FILES
    database = folder / DATABASE
    if not foreign and database.is_dir():
        foreign = {f"{DATABASE}/{path.name}" for path in database.iterdir() if not _DATABASE_FILE.fullmatch(path.name)}
    if foreign:
        raise StorePathError(f"{folder} is no store and holds {min(foreign)!r}: give a new or an empty folder")


def hold(folder: Path) -> int:
    """Lock the folder for this process, making it if need be. Returns the descriptor to close when done.

    Raises StoreLocked with the process that holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "holder", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        me = json.dumps({"pid": os.getpid(), "command": " ".join(sys.argv)[:500]}).encode()
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, me, 0)
    except BlockingIOError as error:
        holder = os.read(descriptor, 4096).decode(errors="replace")
        os.close(descriptor)
        raise StoreLocked(f"the store {folder} is held by {_describe(holder)}") from error
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _describe(holder: str) -> str:
    try:
        fields = json.loads(holder)
        return f"process {fields['pid']} ({fields['command']})"
    except (ValueError, KeyError, TypeError):
        return "another process that is just opening it"


def read_format(folder: Path) -> bytes | None:
    """The identity of the store in `folder`, or None if there is none yet. Raises NewerFormat, StoreDamaged."""
    path = folder / "FORMAT"
    try:
        fields = json.loads(path.read_bytes())
        version, identity = int(fields["version"]), str(fields["identity"])
        intact = fields["crc32"] == _format_crc(version, identity)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    if not intact:
        raise _damaged(path)
    if version > FORMAT_VERSION:
        raise NewerFormat(
            f"the store {folder} has format {version}, and this release reads up to format {FORMAT_VERSION}: "
            "open it with a newer release"
        )
    return bytes.fromhex(identity)


def write_format(folder: Path, identity: bytes | None = None) -> bytes:
    """Finish making a store. Everything else is on disk before FORMAT appears, with one atomic rename.

    identity: of the store that this is a copy of; otherwise it is drawn, and returned.
    """
    identity = identity or secrets.token_bytes(16)
    _write_synced(folder / "released", encode_released(0))
    _write_format(folder, identity.hex())
    _sync_folder(folder.resolve().parent)
    return identity


def _write_format(folder: Path, identity: str) -> None:
    _write_synced(folder / "FORMAT.new", encode_format(FORMAT_VERSION, identity).encode())
    (folder / "FORMAT.new").rename(folder / "FORMAT")
    _sync_folder(folder)


def upgrade_format(folder: Path) -> None:
    """Say that the store may hold, from now on, what only this format has. Its identity stays."""
    fields = json.loads((folder / "FORMAT").read_bytes())
    if fields["version"] < FORMAT_VERSION:
        _write_format(folder, fields["identity"])


def encode_format(version: int, identity: str) -> str:
    """The content of a `FORMAT` file."""
    return json.dumps({"version": version, "identity": identity, "crc32": _format_crc(version, identity)})


def _format_crc(version: int, identity: str) -> int:
    return zlib.crc32(f"{version} {identity}".encode())


def clear_remains(folder: Path) -> None:
    """Drop a database whose making was cut short: nothing was acknowledged from it.

    Raises StoreDamaged when something may have been, so that only the FORMAT file is missing.
    """
    database, released = folder / DATABASE, folder / "released"
    acknowledged = released.exists() and read_released(released) > 0
    if acknowledged or any(database.glob("*.sst")):
        raise StoreDamaged(f"the file {folder / 'FORMAT'} is missing: restore it from a backup of the store")
    if database.exists():
        shutil.rmtree(database)


def read_released(path: Path) -> int:
    """The group number in a `released` file. Raises StoreDamaged, and OSError where there is none."""
    data = path.read_bytes()
    if len(data) != _RELEASED_BYTES or encode_released(int.from_bytes(data[:8], "big")) != data:
        raise _damaged(path)
    return int.from_bytes(data[:8], "big")


def encode_released(group: int) -> bytes:
    """The content of a `released` file."""
    body = group.to_bytes(8, "big")
    return body + zlib.crc32(body).to_bytes(4, "big")


def path_error(folder: Path, error: OSError) -> AutomataError:
    """What an OSError that was met while opening a store means for its owner."""
    if isinstance(error, FileNotFoundError) and (folder / "FORMAT").exists():
        return StoreDamaged(f"the file {error.filename} is missing: restore the store from a backup")
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull(f"there is no room to open the store {folder}: make room, then open it again")
    return StorePathError(f"{folder} cannot hold a store: {error.strerror or error}. Give a folder that can be written")


def _damaged(path: Path) -> StoreDamaged:
    return StoreDamaged(f"the file {path} is damaged: restore the store from a backup")


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
