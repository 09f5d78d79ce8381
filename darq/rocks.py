"""The store on disk: RocksDB through rocksdict, which is imported here alone. `darq.folder` has what lies beside it."""

import os
import tempfile
import threading
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import cast

from rocksdict import (
    AccessType,
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
)

from darq import folder as files
from darq.errors import AutomataError, StorageFull, StoreClosed, StoreDamaged, StorePathError
from darq.store import Batch

BLOCK_CACHE_BYTES = 32 << 20
# Far more than the log ever holds between rotations (small rows take several times their log bytes in memory, a step
# may have 64 MiB), so that RocksDB begins a new log file only when told to: recovery knows of no other. Memory is taken
# as rows come.
MEMTABLE_BYTES = 512 << 20
LOG_AHEAD_BYTES = 32 << 20  # how far ahead of its end RocksDB takes disk space for a log file
_Rows = list[tuple[bytes, bytes]]


class RocksStore:
    """A `Store` in a folder, held by one process.

    Raises StoreLocked (with the process that holds it), StorePathError, NewerFormat, StoreDamaged, StorageFull.
    read_only opens beside a holder, without its lock: it shows what had reached the files. identity: 16 bytes, of the
    store that a new folder is a copy of; a folder that holds another store is refused with StorePathError.
    """

    def __init__(self, folder: str | os.PathLike[str], read_only: bool = False, identity: bytes | None = None) -> None:
        self._folder = Path(folder)
        self._wanted = identity
        self._read_only = read_only
        self._holder: int | None = None
        self._db: Rdict | None = None
        self._released_file: int | None = None
        self._released = 0
        self._using = threading.Lock()  # a flush on its thread, against closing
        try:
            self._identity = self._open()
        except OSError as error:
            self.close()
            raise files.path_error(self._folder, error) from error
        except BaseException:
            self.close()
            raise

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        database = self._db
        if database is None:
            raise self._closed()
        try:
            value: bytes | None = database.get(key)
        except Exception as error:
            raise _refusal(error) from error
        return value

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows of [begin, end)."""
        if begin >= end or limit <= 0:
            return []
        try:
            return self._scan_back(begin, end, limit) if reverse else self._scan(begin, end, limit)
        except AutomataError:
            raise
        except Exception as error:
            raise _refusal(error) from error

    def batch(self) -> WriteBatch:
        """A new empty batch."""
        return WriteBatch(raw_mode=True)

    def write(self, batch: Batch) -> None:
        """Apply a batch of this store's `batch()`: visible at once, durable at the next flush."""
        self._database().write(cast("WriteBatch", batch))

    def flush(self) -> None:
        """Make every written batch durable; lets go of the interpreter lock while the disk works."""
        with self._using:
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
            raise self._closed()
        if group > self._released:
            os.pwrite(self._released_file, files.encode_released(group), 0)
            self._released = group

    def identity(self) -> bytes:
        """The name of this store in lanes, from its FORMAT file."""
        return self._identity

    def refresh(self) -> None:
        """For a read-only store: see what its holder has written since."""
        if self._read_only:
            # twice: between its look at the list of tables and its look at the logs, the holder may have turned the one
            # into the other, and the first look then misses those rows
            for _ in range(2):
                self._database().try_catch_up_with_primary()

    def close(self) -> None:
        """Release files and locks, once a flush that another thread is in has ended.

        What RocksDB cannot do any more on closing (turn its log into a table, after a failed write) is not said: all
        that was flushed is in the log, and the next opening reads it there.
        """
        with self._using:
            database, self._db = self._db, None
            try:
                if database is not None:
                    database.close()
            except Exception as error:
                if "IO error" not in str(error):
                    raise
            finally:
                self._close_files()

    def _open(self) -> bytes:
        if not self._read_only:
            files.refuse_foreign(self._folder)
            self._holder = files.hold(self._folder)
        identity = files.read_format(self._folder)
        if identity is None:
            if self._read_only:
                raise StorePathError(f"there is no store in {self._folder}")
            files.clear_remains(self._folder)
            self._db = _open_database(self._folder / files.DATABASE, _options(new=True))
            identity = files.write_format(self._folder, self._wanted)
        elif self._wanted not in (None, identity):
            raise StorePathError(
                f"{self._folder} holds another store, {identity.hex()}: give each store its own folder"
            )
        elif self._read_only:
            self._db = _open_secondary(self._folder / files.DATABASE)
            self.refresh()
        released = self._folder / "released"
        self._released = files.read_released(released)
        if not self._read_only:
            self._released_file = os.open(released, os.O_WRONLY)
            self._db = self._db or _open_database(self._folder / files.DATABASE, _options(new=False))
            files.upgrade_format(self._folder)
        return identity

    def _scan(self, begin: bytes, end: bytes, limit: int) -> _Rows:
        options = ReadOptions()
        options.set_iterate_upper_bound(end)
        database = self._database()
        rows = cast("Iterable[tuple[bytes, bytes]]", database.items(from_key=begin, read_opt=options))
        found = list(islice(rows, limit))
        if len(found) < limit:
            # `items` ends without a word where it meets a damaged block; `iter` tells the two ends apart
            check = database.iter(options)
            check.seek(found[-1][0] if found else begin)
            if found:
                check.next()
            check.status()
        return found

    def _scan_back(self, begin: bytes, end: bytes, limit: int) -> _Rows:
        # no lower bound: rocksdict takes it for an upper one (measured with 0.3.29)
        options = ReadOptions()
        options.set_iterate_upper_bound(end)
        rows = self._database().iter(options)
        rows.seek_to_last()
        found: _Rows = []
        while len(found) < limit and rows.valid():
            key = cast("bytes", rows.key())
            if key < begin:
                break
            found.append((key, cast("bytes", rows.value())))
            rows.prev()
        rows.status()
        return found

    def _database(self) -> Rdict:
        if self._db is None:
            raise self._closed()
        return self._db

    def _closed(self) -> StoreClosed:
        return StoreClosed(f"the store {self._folder} is closed: open it again")

    def _close_files(self) -> None:
        descriptors = self._released_file, self._holder
        self._released_file = self._holder = None
        for descriptor in descriptors:
            if descriptor is not None:
                os.close(descriptor)


def _open_database(path: Path, options: Options, access: AccessType | None = None) -> Rdict:
    try:
        return Rdict(str(path), options, access_type=access or AccessType.read_write())
    except OSError:
        raise
    except Exception as error:
        raise _refusal(error) from error


def _open_secondary(path: Path) -> Rdict:
    """A reader beside the holder. RocksDB wants every table kept open, as the holder may drop its name at any time."""
    options = _options(new=False)
    options.set_max_open_files(-1)
    with tempfile.TemporaryDirectory(prefix="darq-reader-") as own:
        return _open_database(path, options, AccessType.secondary(own))


def _options(new: bool) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(new)
    options.set_error_if_exists(new)
    options.set_paranoid_checks(True)
    # point in time: after a damaged record nothing is taken over, and the released group number then says so
    options.set_wal_recovery_mode(DBRecoveryMode.point_in_time())
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_max_write_buffer_number(4)
    options.set_max_total_wal_size(LOG_AHEAD_BYTES)
    options.set_max_background_jobs(2)
    # one thread writes: what lets several do so costs a tenth of each write
    options.set_allow_concurrent_memtable_write(False)
    options.set_enable_write_thread_adaptive_yield(False)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(4 << 20)
    options.set_stats_dump_period_sec(0)
    options.set_max_manifest_file_size(4 << 20)
    options.set_max_open_files(512)
    options.set_skip_stats_update_on_db_open(True)
    options.set_compression_type(DBCompressionType.lz4())
    # queues leave stretches of tombstones: a table where they are dense is compacted without waiting for its level
    options.add_compact_on_deletion_collector_factory(4096, 2048, 0.5)
    table = BlockBasedOptions()
    table.set_block_cache(Cache(BLOCK_CACHE_BYTES))
    table.set_bloom_filter(10, False)
    # in pieces: as one block, the filter of a large table fits no shard of the cache, and each look-up reads it anew
    table.set_index_type(BlockBasedIndexType.two_level_index_search())
    table.set_partition_filters(True)
    table.set_pin_top_level_index_and_filter(True)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    options.set_block_based_table_factory(table)
    return options


def _refusal(error: Exception) -> AutomataError:
    """rocksdict raises a bare Exception for all that RocksDB reports."""
    if "No space left" in str(error):
        return StorageFull(f"the disk is full: make room, then open the store again ({error})")
    return StoreDamaged(f"RocksDB refuses the store: {error}. Restore the store from a backup")
