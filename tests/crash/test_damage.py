"""Whatever happens to a file of a store: all that was acknowledged is there, or a clear refusal names the fault."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from darq import Limits, Log, Message, RocksStore, keys
from darq.codec import FORMAT_VERSION
from darq.errors import (
    NewerFormat,
    OutcomeUnknown,
    StorageFull,
    StoreDamaged,
    StoreLocked,
    StorePathError,
)

NAME = b"worker"
PREFIX = keys.partition_key(keys.STATE, NAME)
ROWS = 4000


def write(store: RocksStore, numbers: range, limits: Limits) -> None:
    """Groups of ten steps; the store is left as a kill would leave it."""
    log = Log(store, limits)
    for number in numbers:
        step = log.step(NAME)
        step.put(b"%08d" % number, os.urandom(60))
        step.send(Message(b"other", b"m" * 20))
        log.commit(step)
        if number % 10 == 9:
            log.commit_now()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with tables and a log, copied while it was open, as a kill leaves it. Never opened again itself."""
    folder = tmp_path_factory.mktemp("killed")
    store = RocksStore(folder / "live")
    write(store, range(ROWS // 2), Limits())
    store.close()
    store = RocksStore(folder / "live")
    write(store, range(ROWS // 2, ROWS), Limits())
    shutil.copytree(folder / "live", folder / "copy")
    store.close()
    return folder / "copy"


@pytest.fixture
def folder(killed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(killed, tmp_path / "store")


def outcome(folder: Path) -> str:
    """`whole`, or the refusal's text. A store that opens with less than was acknowledged fails the test."""
    try:
        store = RocksStore(folder)
        try:
            log = Log(store)
            rows = log.scan(PREFIX, (b"", b"\xff"), keys.ALL)
            assert [int(key) for key, _ in rows] == list(range(ROWS)), "silently less than was acknowledged"
            backwards = log.scan(PREFIX, (b"", b"\xff"), keys.ALL, reverse=True)
            assert backwards == rows[::-1]
            pending = 0
            while log.inbox.next(log.group) is not None:
                pending += 1
            assert pending == ROWS, "silently less than was acknowledged"
        finally:
            store.close()
    except StoreDamaged as error:
        return str(error)
    return "whole"


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)


def kinds(folder: Path) -> dict[str, Path]:
    """The largest file of each kind that a store folder holds."""
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        kind = path.suffix or path.name.rstrip("0123456789").rstrip("-")
        if kind not in found or path.stat().st_size > found[kind].stat().st_size:
            found[kind] = path
    return found


KINDS = ["FORMAT", "released", "holder", ".log", ".sst", "MANIFEST", "CURRENT", "OPTIONS", "IDENTITY", ".json"]
REFUSED_WHEN_MISSING = {"FORMAT", "released", ".log", ".sst", "MANIFEST", "CURRENT"}


def test_an_untouched_copy_is_whole(folder: Path) -> None:
    assert set(KINDS) <= set(kinds(folder))
    assert outcome(folder) == "whole"


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_file_loses_nothing_or_is_refused(folder: Path, kind: str) -> None:
    path = kinds(folder)[kind]
    path.unlink()
    said = outcome(folder)
    assert (said != "whole") == (kind in REFUSED_WHEN_MISSING)
    assert outcome(folder) == said or kind not in REFUSED_WHEN_MISSING, "a second try must not create an empty store"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("left", [0.0, 0.5, 0.9])
def test_a_truncated_file_loses_nothing_or_is_refused(folder: Path, kind: str, left: float) -> None:
    path = kinds(folder)[kind]
    os.truncate(path, int(path.stat().st_size * left))
    said = outcome(folder)
    if kind in REFUSED_WHEN_MISSING and left <= 0.5:
        assert said != "whole"


@pytest.mark.parametrize("kind", ["MANIFEST", ".log"])
@pytest.mark.parametrize("flipped", [False, True])
def test_a_file_damaged_at_any_place_loses_nothing_or_is_refused(
    killed: Path, tmp_path: Path, kind: str, flipped: bool
) -> None:
    size = kinds(killed)[kind].stat().st_size
    for number in range(24):
        folder = shutil.copytree(killed, tmp_path / str(number))
        path, at = kinds(folder)[kind], size * number // 24 + number % 3
        if flipped:
            flip(path, at)
        else:
            os.truncate(path, at)
        outcome(folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_a_flipped_byte_loses_nothing_or_is_refused(folder: Path, kind: str, place: float) -> None:
    path = kinds(folder)[kind]
    flip(path, int((path.stat().st_size - 1) * place))
    said = outcome(folder)
    if kind in {"FORMAT", "released"}:
        assert path.name in said
    if kind in {".log", "MANIFEST"} and place < 1.0:
        assert said != "whole"


def test_each_flipped_byte_of_the_format_file_is_refused(folder: Path) -> None:
    path = folder / "FORMAT"
    whole = path.read_bytes()
    for at in range(len(whole)):
        flip(path, at)
        with pytest.raises((StoreDamaged, NewerFormat)):
            RocksStore(folder)
        path.write_bytes(whole)
    assert outcome(folder) == "whole"


def test_a_damaged_block_is_reported_by_get_and_by_scans_in_both_directions(folder: Path) -> None:
    table = kinds(folder)[".sst"]
    flip(table, table.stat().st_size // 3)
    store = RocksStore(folder)
    for scan in (
        lambda: store.scan(PREFIX, keys.after(PREFIX), keys.ALL),
        lambda: store.scan(PREFIX, keys.after(PREFIX), keys.ALL, reverse=True),
        lambda: [store.get(PREFIX + b"%08d" % n) for n in range(ROWS // 2)],
    ):
        with pytest.raises(StoreDamaged, match=table.name):
            scan()
    store.close()


@pytest.fixture
def two_logs(tmp_path: Path) -> Path:
    """A store as a kill leaves it between a rotation and the table that is made of the older log."""
    live, copy = tmp_path / "live", tmp_path / "copy"
    store = RocksStore(live)
    log = Log(store, Limits(wal_bytes_max=4000))
    older, *_ = (live / "rocks").glob("*.log")
    shutil.copytree(live, copy)
    (tmp_path / "older").hardlink_to(older)  # RocksDB drops the name once the table is there
    for number in range(60):
        step = log.step(NAME)
        step.put(b"%08d" % number, b"v" * 60)
        log.commit(step)
        log.commit_now()
        if (newer := max((live / "rocks").glob("*.log"))).name > older.name:
            break
    for name, source in ((older.name, tmp_path / "older"), (newer.name, newer)):
        shutil.copyfile(source, copy / "rocks" / name)
    shutil.copyfile(live / "released", copy / "released")
    store.close()
    return copy


def test_two_log_files_are_taken_over_whole(two_logs: Path) -> None:
    assert len(list((two_logs / "rocks").glob("*.log"))) == 2
    log = Log(RocksStore(two_logs))
    assert log.scan(PREFIX, (b"", b"\xff"), keys.ALL)[-1][0] == b"%08d" % (log.group.number - 2)
    log.close()


@pytest.mark.parametrize("left", [None, 0.0, 0.3, 0.9, -25])
def test_an_older_of_two_log_files_missing_or_cut_is_refused(two_logs: Path, left: float | None) -> None:
    """RocksDB opens without it, in every recovery mode: the row that closes each generation says that it is gone."""
    older = min((two_logs / "rocks").glob("*.log"))
    if left is None:
        older.unlink()
    else:
        size = older.stat().st_size
        os.truncate(older, size + int(left) if left < 0 else int(size * left))
    store = RocksStore(two_logs)
    with pytest.raises(StoreDamaged, match=r"generation 1 are missing|was acknowledged"):
        Log(store)
    store.close()


# who may open it, and where


def test_a_store_opened_twice_names_its_holder(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "store")
    with pytest.raises(StoreLocked, match=f"process {os.getpid()} "):
        RocksStore(tmp_path / "store")
    script = f"import darq\ntry: darq.RocksStore({str(tmp_path / 'store')!r})\nexcept darq.AutomataError as e: print(e)"
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", script], cwd=root, check=True, capture_output=True, text=True)
    assert f"process {os.getpid()} " in run.stdout
    store.close()
    RocksStore(tmp_path / "store").close()


def test_a_refused_store_is_let_go_of(folder: Path) -> None:
    (folder / "released").write_bytes(b"damaged")
    for _ in range(2):
        with pytest.raises(StoreDamaged, match="released"):
            RocksStore(folder)


def test_a_reader_sees_what_the_holder_has_written_and_follows_it(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "store")
    write(store, range(10), Limits())
    reader = RocksStore(tmp_path / "store", read_only=True)
    assert len(reader.scan(PREFIX, keys.after(PREFIX), 100)) == 10
    write(store, range(10, 20), Limits())
    store.rotate()
    reader.refresh()
    assert len(reader.scan(PREFIX, keys.after(PREFIX), 100)) == 20
    reader.close()
    store.close()


def test_a_reader_finds_no_store_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(StorePathError, match="no store"):
        RocksStore(tmp_path / "store", read_only=True)
    assert not (tmp_path / "store").exists()


def test_a_path_that_cannot_hold_a_store_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file", tmp_path / "file" / "store", Path("/proc/store")):
        with pytest.raises(StorePathError, match="cannot hold a store"):
            RocksStore(path)


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darq.folder.FORMAT_VERSION", FORMAT_VERSION + 1)
    RocksStore(tmp_path / "store").close()
    monkeypatch.undo()
    before = (tmp_path / "store" / "FORMAT").read_bytes()
    with pytest.raises(
        NewerFormat, match=f"has format {FORMAT_VERSION + 1}, and this release reads up to format {FORMAT_VERSION}"
    ):
        RocksStore(tmp_path / "store")
    assert (tmp_path / "store" / "FORMAT").read_bytes() == before


def remains_before_format(folder: Path) -> None:
    (folder / "FORMAT").unlink()
    (folder / "released").unlink()


def remains_before_rename(folder: Path) -> None:
    (folder / "FORMAT").rename(folder / "FORMAT.new")


@pytest.mark.parametrize("cut_short", [remains_before_format, remains_before_rename])
def test_a_store_whose_making_was_cut_short_is_made_anew(tmp_path: Path, cut_short: Callable[[Path], None]) -> None:
    store = RocksStore(tmp_path / "store")
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    store.close()
    cut_short(tmp_path / "copy")
    log = Log(RocksStore(tmp_path / "copy"))
    log.commit_now()
    log.close()
    (tmp_path / "copy" / "FORMAT").unlink()
    with pytest.raises(StoreDamaged, match="FORMAT is missing"):
        RocksStore(tmp_path / "copy")


# a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(mount)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a disk that is really full needs the right to mount a small one (root); the rest runs without")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def fill_disk(log: Log) -> int:
    """Write until the disk refuses; the number of groups that were acknowledged."""
    done = 0
    try:
        while True:
            step = log.step(NAME)
            step.put(b"%08d" % done, os.urandom(100_000))
            log.commit(step)
            log.commit_now()
            done += 1
    except OutcomeUnknown:
        return done


def test_a_write_that_meets_a_full_disk_loses_nothing_that_was_acknowledged(small_disk: Path) -> None:
    store = RocksStore(small_disk / "store")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (4 << 20))
    log = Log(store, Limits(wal_bytes_max=1 << 20))
    done = fill_disk(log)
    assert done > 10
    assert log.read(PREFIX, b"%08d" % (done - 1)) is not None, "reads go on"
    log.close()
    ballast.unlink()
    log = Log(RocksStore(small_disk / "store"))
    assert [int(key) for key, _ in log.scan(PREFIX, (b"", b"\xff"), done)] == list(range(done))
    step = log.step(NAME)
    step.put(b"more", b"room")
    log.commit(step)
    log.commit_now()
    log.close()


def test_opening_on_a_full_disk_says_so(small_disk: Path) -> None:
    free = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(b"x" * (free.f_bavail * free.f_frsize))
    with pytest.raises(StorageFull, match="make room"):
        RocksStore(small_disk / "store")
    (small_disk / "ballast").unlink()
    RocksStore(small_disk / "store").close()
