"""Records come back as they were written, and damage is said."""

import struct
import zlib

import pytest

from darq.codec import Cause, Head, Parked, Recorded, Timer, decode_message, encode_message, origin_of
from darq.errors import StoreDamaged


def test_a_head_comes_back() -> None:
    head = Head(1, 2, 3, 4, 5, 6, 7, 8)
    assert Head.decode(head.encode()) == head


def test_each_flipped_bit_of_a_head_is_found() -> None:
    data = Head(1, 2, 3, 4, 5, 6, 7, 8).encode()
    for at in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(StoreDamaged):
            Head.decode(bytes(flipped))
    for size in range(len(data)):
        with pytest.raises(StoreDamaged):
            Head.decode(data[:size])


@pytest.mark.parametrize("partition", [b"", b"p", b"\x00" * 300])
def test_a_message_comes_back(partition: bytes) -> None:
    assert decode_message(encode_message(partition, b"payload")) == (partition, b"payload")


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x05abcd"])
def test_a_message_cut_short_is_said(data: bytes) -> None:
    with pytest.raises(StoreDamaged):
        decode_message(data)


def test_a_parked_message_comes_back() -> None:
    parked = Parked(Cause.DEAD, 1 << 40, 3, b"reason", b"partition", b"payload")
    assert Parked.decode(parked.encode()) == parked


@pytest.mark.parametrize("size", [0, 5, 17, 20, 24])
def test_a_parked_message_cut_short_is_said(size: int) -> None:
    with pytest.raises(StoreDamaged):
        Parked.decode(Parked(Cause.DEAD, 1, 3, b"reason", b"partition", b"payload").encode()[:size])


def test_an_unknown_cause_is_said() -> None:
    with pytest.raises(StoreDamaged):
        Parked.decode(b"\x77" + Parked(Cause.DEAD, 1, 3, b"reason", b"p", b"").encode()[1:])


def test_an_outcome_comes_back() -> None:
    recorded = Recorded(1 << 40, b"f" * 16, b"outcome")
    assert Recorded.decode(recorded.encode()) == recorded


@pytest.mark.parametrize("size", [0, 8, 23])
def test_an_outcome_cut_short_is_said(size: int) -> None:
    with pytest.raises(StoreDamaged):
        Recorded.decode(Recorded(1, b"f" * 16, b"outcome").encode()[:size])


def test_a_timer_comes_back() -> None:
    origin = origin_of(b"s" * 16, 7)
    for timer in (
        Timer(0, b"", b"partition", b"payload"),
        Timer(1 << 40, b"rule", b"partition", b"payload"),
        Timer(0, b"", b"partition", b"payload", origin),
        Timer(3, b"rule", b"partition", b"payload", origin),
    ):
        assert Timer.decode(timer.encode()) == timer


@pytest.mark.parametrize("size", [0, 9, 12, 16])
def test_a_timer_cut_short_is_said(size: int) -> None:
    with pytest.raises(StoreDamaged):
        Timer.decode(Timer(1, b"rule", b"partition", b"payload").encode()[:size])


def test_a_head_of_format_1_is_read() -> None:
    body = struct.pack(">7Q", 1, 2, 3, 4, 5, 6, 7)
    assert Head.decode(body + zlib.crc32(body).to_bytes(4, "big")) == Head(1, 2, 3, 4, 5, 6, 7, 0)
