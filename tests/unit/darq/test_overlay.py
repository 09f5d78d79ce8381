"""Layers over a store. tests/property tries scans against a model."""

from collections.abc import Sequence

from darq import MemoryStore
from darq.overlay import Overlay, scan


class CountingStore(MemoryStore):
    """Counts what is scanned."""

    def __init__(self) -> None:
        super().__init__()
        self.scans = 0

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        self.scans += 1
        return super().scan(begin, end, limit, reverse)


def filled(count: int) -> CountingStore:
    store = CountingStore()
    batch = store.batch()
    for n in range(count):
        batch.put(b"p%05d" % n, b"v")
    store.write(batch)
    return store


def first(store: CountingStore, layers: Sequence[Overlay]) -> list[bytes]:
    return [key for key, _ in scan(store, b"p", layers, (b"", b"\xff"), 1, False)]


def test_a_cleared_stretch_is_not_searched_row_by_row() -> None:
    store, layer = filled(5000), Overlay()
    layer.drop_range(b"", b"04999")
    assert first(store, [layer]) == [b"04999"]
    assert store.scans == 1


def test_many_dropped_rows_take_few_looks_at_the_store() -> None:
    store, layer = filled(5000), Overlay()
    for n in range(4000):
        layer.writes[b"%05d" % n] = None
    assert first(store, [layer]) == [b"04000"]
    assert store.scans < 8


def test_a_collection_cleared_again_and_again_leaves_one_range() -> None:
    layer = Overlay()
    for n in range(100):
        layer.writes[b"k%d" % n] = b"v"
        layer.drop_range(b"k", b"l")
    layer.drop_range(b"j", b"m")
    assert (layer.writes, layer.ranges) == ({}, [(b"j", b"m")])


def test_an_empty_range_drops_nothing() -> None:
    layer = Overlay()
    layer.writes[b"k"] = b"v"
    layer.drop_range(b"z", b"a")
    assert (layer.find(b"k"), layer.ranges) == (b"v", [])


def test_keys_written_after_a_look_are_seen_by_the_next() -> None:
    store, layer = filled(0), Overlay()
    for n in range(200):
        layer.writes[b"%05d" % (n * 7 % 200)] = b"v"
        if n % 30 == 29:
            seen = scan(store, b"p", [layer], (b"", b"\xff"), 1 << 62, False)
            assert [key for key, _ in seen] == sorted(layer.writes)


def test_a_newer_dropped_range_hides_older_writes_and_the_store() -> None:
    store, older, newer = filled(3), Overlay(), Overlay()
    older.writes[b"00001"] = b"changed"
    older.writes[b"00001x"] = b"new"
    newer.drop_range(b"00001", b"00002")
    newer.writes[b"00001y"] = b"newest"
    seen = scan(store, b"p", [newer, older], (b"", b"\xff"), 10, False)
    assert [key for key, _ in seen] == [b"00000", b"00001y", b"00002"]
