"""The store on disk: RocksDB through rocksdict. The only importer of rocksdict.

FOLDER/FORMAT    json: format version and identity; written last when a store is made, so that it marks a whole one
FOLDER/holder    json: which process holds the store; locked while it does
FOLDER/released  group:u64 crc32:u32, the last acknowledged group, written in place, not synced
FOLDER/rocks/    the database
"""

import fcntl
import json
import os
import secrets
import shutil
import sys
import tempfile
import zlib
from itertools import islice, takewhile
from pathlib import Path
from typing import cast

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
)

from darq.codec import FORMAT_VERSION
from darq.errors import NewerFormat, StoreClosed, StoreDamaged, StoreLocked, StorePathError

BLOCK_CACHE_BYTES = 32 << 20
MEMTABLE_BYTES = 64 << 20  # more than the log ever holds between rotations, so that RocksDB rotates only when told to


class RocksStore:
    """A `Store` in a folder, held by one process.

    Raises StoreLocked (with the process that holds it), StorePathError, NewerFormat, StoreDamaged. read_only opens
    beside a holder, without its lock: it shows what had reached the files.
    """

    def __init__(self, folder: str | os.PathLike[str], read_only: bool = False) -> None:
        self._folder = Path(folder)
        self._read_only = read_only
        self._holder: int | None = None
        self._db: Rdict | None = None
        self._released_file: int | None = None
        try:
            if not read_only:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._holder = _hold(self._folder / "holder")
            identity = _read_format(self._folder)
            if identity is None and read_only:
                raise StorePathError(f"there is no store in {self._folder}")
            if identity is None:
                _refuse_remains(self._folder)
            self._db = _open_database(self._folder / "rocks", identity is None, read_only)
            self._identity = identity or _write_format(self._folder)
            self._released_file = os.open(self._folder / "released", os.O_RDONLY if read_only else os.O_RDWR)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise _path_error(self._folder, error) from error
            raise
        self._released = _read_released(self._released_file, self._folder / "released")

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        try:
            value: bytes | None = self._database().get(key)
        except Exception as error:  # rocksdict raises bare Exception for all that RocksDB reports
            raise _damaged(error) from error
        return value

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows of [begin, end)."""
        options = ReadOptions()
        options.set_iterate_upper_bound(end)
        try:
            # no lower bound: rocksdict takes it for an upper one (measured with 0.3.29)
            start = None if reverse else begin
            rows = islice(self._database().items(backwards=reverse, from_key=start, read_opt=options), limit)
            found = cast(list[tuple[bytes, bytes]], list(takewhile(lambda row: row[0] >= begin, rows)))
        except StoreClosed:
            raise
        except Exception as error:  # as above
            raise _damaged(error) from error
        return found

    def batch(self) -> WriteBatch:
        """A new empty batch."""
        return WriteBatch(raw_mode=True)

    def write(self, batch: WriteBatch) -> None:
        """Apply a batch: visible at once, durable at the next flush."""
        self._database().write(batch)

    def flush(self) -> None:
        """Make every written batch durable; lets go of the interpreter lock while the disk works."""
        self._database().flush_wal(True)

    def rotate(self) -> None:
        """Begin a new log file; the old one becomes a table in the background."""
        self._database().flush(False)

    def free_bytes(self) -> int:
        """Free space of the file system that the folder is on, for ordinary users."""
        space = os.statvfs(self._folder)
        return space.f_bavail * space.f_frsize

    def released(self) -> int:
        """The highest group number noted in the side file."""
        return self._released

    def mark_released(self, group: int) -> None:
        """Note that group `group` was acknowledged."""
        if self._released_file is None:
            raise StoreClosed(f"the store {self._folder} is closed: open it again")
        body = group.to_bytes(8, "big")
        os.pwrite(self._released_file, body + zlib.crc32(body).to_bytes(4, "big"), 0)

    def identity(self) -> bytes:
        """The name of this store in lanes, from its FORMAT file."""
        return self._identity

    def refresh(self) -> None:
        """For a read-only store: see what its holder has written since."""
        if self._read_only:
            self._database().try_catch_up_with_primary()

    def close(self) -> None:
        """Release files and locks."""
        database, self._db = self._db, None
        if database is not None:
            database.close()
        for name in ("_released_file", "_holder"):
            descriptor = getattr(self, name, None)
            if descriptor is not None:
                os.close(descriptor)
                setattr(self, name, None)

    def _database(self) -> Rdict:
        if self._db is None:
            raise StoreClosed(f"the store {self._folder} is closed: open it again")
        return self._db


def _open_database(path: Path, new: bool, read_only: bool) -> Rdict:
    try:
        if read_only:
            with tempfile.TemporaryDirectory(prefix="darq-reader-") as own:
                return Rdict(str(path), _options(new=False), access_type=AccessType.secondary(own))
        return Rdict(str(path), _options(new))
    except Exception as error:  # rocksdict raises bare Exception for all that RocksDB reports
        if isinstance(error, OSError) or "No space left" in str(error):
            raise StorePathError(f"the store {path.parent} cannot be opened: {error}") from error
        raise _damaged(error) from error


def _options(new: bool) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(new)
    options.set_error_if_exists(new)
    options.set_paranoid_checks(True)
    # point in time: after a damaged record nothing is taken over, and the released group number then says so
    options.set_wal_recovery_mode(DBRecoveryMode.point_in_time())
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_max_write_buffer_number(4)
    options.set_max_background_jobs(2)
    options.set_keep_log_file_num(2)
    options.set_max_open_files(512)
    options.set_skip_stats_update_on_db_open(True)
    options.set_compression_type(DBCompressionType.lz4())
    # queues leave stretches of tombstones: a table where they are dense is compacted without waiting for its level
    options.add_compact_on_deletion_collector_factory(4096, 2048, 0.5)
    table = BlockBasedOptions()
    table.set_block_cache(Cache(BLOCK_CACHE_BYTES))
    table.set_bloom_filter(10, False)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    options.set_block_based_table_factory(table)
    return options


def _hold(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 4096).decode(errors="replace")
        os.close(descriptor)
        raise StoreLocked(f"the store {path.parent} is held by {_describe(holder)}") from error
    me = json.dumps({"pid": os.getpid(), "command": " ".join(sys.argv)[:500]}).encode()
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, me, 0)
    return descriptor


def _describe(holder: str) -> str:
    try:
        fields = json.loads(holder)
        return f"process {fields['pid']} ({fields['command']})"
    except (ValueError, KeyError, TypeError):
        return "another process that is just opening it"


def _read_format(folder: Path) -> bytes | None:
    """The identity of the store in `folder`, or None if there is none yet."""
    path = folder / "FORMAT"
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        fields = json.loads(text)
        version, identity = int(fields["version"]), bytes.fromhex(fields["identity"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreDamaged(f"the file {path} is damaged: restore the store from a backup") from error
    if version > FORMAT_VERSION:
        raise NewerFormat(
            f"the store {folder} has format {version}, and this release reads up to format {FORMAT_VERSION}: "
            "open it with a newer release"
        )
    if len(identity) != 16:
        raise StoreDamaged(f"the file {path} is damaged: restore the store from a backup")
    return identity


def _write_format(folder: Path) -> bytes:
    """Finish making a store. Everything else is on disk before FORMAT appears, with one atomic rename."""
    identity = secrets.token_bytes(16)
    body = (0).to_bytes(8, "big")
    _write_synced(folder / "released", body + zlib.crc32(body).to_bytes(4, "big"))
    text = json.dumps({"version": FORMAT_VERSION, "identity": identity.hex()})
    _write_synced(folder / "FORMAT.new", text.encode())
    os.rename(folder / "FORMAT.new", folder / "FORMAT")
    _sync_folder(folder)
    _sync_folder(folder.resolve().parent)
    return identity


def _refuse_remains(folder: Path) -> None:
    """A database without a FORMAT file is a store that lost it, unless its making was cut short: then nothing was in."""
    rocks = folder / "rocks"
    if not rocks.exists():
        return
    if (folder / "released").exists() or any(rocks.glob("*.sst")):
        raise StoreDamaged(f"the file {folder / 'FORMAT'} is missing: restore it from a backup of the store")
    shutil.rmtree(rocks)


def _read_released(descriptor: int, path: Path) -> int:
    data = os.pread(descriptor, 12, 0)
    if len(data) != 12 or zlib.crc32(data[:8]) != int.from_bytes(data[8:], "big"):
        raise StoreDamaged(f"the file {path} is damaged: restore the store from a backup")
    return int.from_bytes(data[:8], "big")


def _write_synced(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _path_error(folder: Path, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError) and (folder / "FORMAT").exists():
        return StoreDamaged(f"the file {error.filename} is missing: restore the store from a backup")
    return StorePathError(f"{folder} cannot hold a store: {error.strerror or error}. Give a folder that can be written")


def _damaged(error: Exception) -> StoreDamaged:
    return StoreDamaged(f"RocksDB refuses the store: {error}. Restore the store from a backup")
