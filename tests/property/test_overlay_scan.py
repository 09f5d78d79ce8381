"""A scan through layers over a store shows what a sorted dictionary would."""

from hypothesis import given
from hypothesis import strategies as st

from darq import MemoryStore
from darq.overlay import ABSENT, Overlay, scan

PREFIX = b"p\x00\x01"
subkeys = st.binary(min_size=0, max_size=2).map(lambda key: bytes(b % 5 for b in key))
values = st.binary(max_size=1)
bounds = st.tuples(subkeys, subkeys)
changes = st.one_of(
    st.tuples(st.just("put"), subkeys, values),
    st.tuples(st.just("drop"), subkeys, values),
    st.tuples(st.just("range"), subkeys, subkeys),
)
many_changes = st.lists(changes, max_size=60)


def apply(change: tuple[str, bytes, bytes], layer: Overlay, model: dict[bytes, bytes]) -> None:
    kind, first, second = change
    if kind == "put":
        layer.writes[first] = second
        model[first] = second
    elif kind == "drop":
        layer.writes[first] = None
        model.pop(first, None)
    else:
        layer.drop_range(first, second)
        for key in [key for key in model if first <= key < second]:
            del model[key]


@given(
    stored=st.dictionaries(subkeys, values, max_size=40),
    layers=st.lists(many_changes, min_size=1, max_size=3),
    looks=st.lists(st.tuples(bounds, st.integers(0, 7) | st.just(1 << 62), st.booleans()), min_size=1, max_size=4),
)
def test_a_scan_equals_the_sorted_model(
    stored: dict[bytes, bytes],
    layers: list[list[tuple[str, bytes, bytes]]],
    looks: list[tuple[tuple[bytes, bytes], int, bool]],
) -> None:
    store, model, stack = MemoryStore(), dict(stored), list[Overlay]()
    batch = store.batch()
    for key, value in stored.items():
        batch.put(PREFIX + key, value)
    batch.put(b"o", b"before")
    batch.put(b"q", b"after")
    store.write(batch)
    for layer in layers:
        stack.insert(0, Overlay())
        for number, change in enumerate(layer):
            apply(change, stack[0], model)
            if number % 20 == 0:
                check(store, stack, model, looks)
    check(store, stack, model, looks)
    while len(stack) > 1:
        newest = stack.pop(0)
        stack[0].absorb(newest)
    check(store, stack, model, looks)


def check(
    store: MemoryStore,
    stack: list[Overlay],
    model: dict[bytes, bytes],
    looks: list[tuple[tuple[bytes, bytes], int, bool]],
) -> None:
    for (begin, end), limit, reverse in looks:
        expected = sorted((row for row in model.items() if begin <= row[0] < end), reverse=reverse)[:limit]
        assert scan(store, PREFIX, stack, (begin, end), limit, reverse) == expected
    for key in {key for layer in stack for key in layer.writes}:
        said = [value for layer in stack if (value := layer.find(key)) is not ABSENT]
        assert said[0] == model.get(key)
