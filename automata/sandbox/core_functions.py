"""The host functions of core modules. Addresses and lengths are unsigned; what they name is copied.

    key(at, room) -> length                       the object's own key, UTF-8
    get(key, length, at, room) -> length or -1    a row; copied if there is room for all of it
    put(key, length, value, length)               delete(key, length)
    scan(begin, length, end, length, limit, backwards, at, room) -> length
                                                  rows as u32 length, key, u32 length, value; an empty end is open
    send(type, length, key, length, method, length, arguments, length, delay)
    call(type, length, key, length, method, length, arguments, length) -> length, or -1 - length of an error's text
    result(at, room) -> length                    what the last call has given
    reply(at, length)                             the result of the method, if it is more than a number
    fail(at, length)                              the method raises, with this text
    log(level, at, length)    now() -> seconds    random(at, length)

Arguments and results of calls are MessagePack: a list of arguments, one value.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from automata.errors import GuestTrapped, InvalidArgument, RemoteError
from automata.failure import text_of
from automata.inline import TooLong
from automata.printable import printable
from automata.sandbox.core_guest import F64, I32, CoreRun, HostFunction
from automata.sandbox.dispatch import Dispatch, Point
from automata.sandbox.paging import paged
from automata.sandbox.session import INLINE_BYTES, Session, Suspended
from automata.values.dynamic import encode_dynamic
from automata.work import Outcome

_ABSENT = -1
_count = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder().encode


_NAME_BYTES_MAX = 1024
_ERROR_BYTES_MAX = 1 << 16


def _taken(run: CoreRun, address: int, length: int, most: int, limit: str) -> bytes:
    """Bytes of the code's memory. Raises LimitExceeded before anything is copied if they are too many."""
    if length & 0xFFFFFFFF > most:
        raise run.session.over(limit, f"gives its host {length & 0xFFFFFFFF} bytes: at most {most}")
    return run.memory.read(address, length)


def _row_key(run: CoreRun, address: int, length: int) -> bytes:
    return _taken(run, address, length, run.session.limits.key_bytes, "key_bytes")


def _text(run: CoreRun, address: int, length: int) -> str:
    data = _taken(run, address, length, _NAME_BYTES_MAX, "key_bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise GuestTrapped("a host function was given text that is no UTF-8") from None


def _key(run: CoreRun, given: Sequence[Any]) -> int:
    return run.memory.fill(given[0], given[1], run.session.key.encode())


def _get(run: CoreRun, given: Sequence[Any]) -> int:
    address, length, at, room = given
    session, key = run.session, _row_key(run, address, length)

    def read() -> bytes | None:
        value = session.rows.get(key)
        session.count_read(1, len(key) + len(value or b""))
        return value

    value = session.ask(("get", key), read)
    return _ABSENT if value is None else run.memory.fill(at, room, value)


def _put(run: CoreRun, given: Sequence[Any]) -> None:
    address, length, at, size = given
    session, key = run.session, _row_key(run, address, length)
    value = _taken(run, at, size, session.limits.value_bytes, "value_bytes")
    session.count_write(key, value)
    if session.live:
        session.here(lambda: session.rows.__setitem__(key, value))


def _delete(run: CoreRun, given: Sequence[Any]) -> None:
    session, key = run.session, _row_key(run, *given)
    session.count_write(key, None)
    if session.live:
        session.here(lambda: _drop(session, key))


def _drop(session: Session, key: bytes) -> None:
    session.turn.state.check_writable("a row")
    session.rows.pop(key, None)


def _scan(run: CoreRun, given: Sequence[Any]) -> int:
    first, first_length, last, last_length, limit, backwards, at, room = given
    session = run.session
    begin, end = _row_key(run, first, first_length), _row_key(run, last, last_length)
    most = min(limit & 0xFFFFFFFF, session.limits.reads + 1)
    question = ("scan", begin, end, most, bool(backwards))
    page = paged(
        lambda lo, hi, most: list(session.rows.range(lo, hi, reverse=bool(backwards), limit=most)),
        begin,
        end or None,
        bool(backwards),
    )
    rows = session.scan(question, page, most, len(begin) + len(end))
    parts = [_count.pack(len(key)) + key + _count.pack(len(value)) + value for key, value in rows]
    return run.memory.fill(at, room, b"".join(parts))


def _dispatch(run: CoreRun, given: Sequence[Any]) -> Dispatch:
    type_name, key, method = (_text(run, given[at], given[at + 1]) for at in (0, 2, 4))
    if run.session.inline and given[7] & 0xFFFFFFFF > INLINE_BYTES:
        raise TooLong
    arguments = _taken(run, given[6], given[7], run.session.limits.value_bytes, "value_bytes")
    run.session.check_elements(arguments)
    try:
        listed = msgspec.msgpack.decode(arguments, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        raise GuestTrapped("the arguments of a call are no MessagePack array") from None
    return Dispatch(type_name, key, method, False, _encode([listed, {}]))


def _send(run: CoreRun, given: Sequence[Any]) -> None:
    delay = given[8]
    session, dispatch = run.session, _dispatch(run, given)
    if not delay:
        session.check_sending()
        return session.send(dispatch)
    if not 0 < delay < 1e9:
        raise InvalidArgument(f"a delay is a number of seconds, 0 or more, not {delay!r}")
    due_ms = int((session.now() + delay) * 1000) + 1
    session.ask(("send", dispatch, due_ms), lambda: session.schedule(dispatch, due_ms, b""), len(dispatch.arguments))
    return None


def _call(run: CoreRun, given: Sequence[Any]) -> int:
    session = run.session
    if session.inline:
        raise TooLong
    dispatch = _dispatch(run, given)
    outcomes = session.next_outcomes()
    if outcomes is None:
        session.point = Point([dispatch])
        raise Suspended
    run.kept = _result(outcomes[0])
    if session.live:
        session.count_kept(len(run.kept))
    failed = outcomes[0].error is not None
    return _ABSENT - len(run.kept) if failed else len(run.kept)


def _result(outcome: Outcome) -> bytes:
    return text_of(outcome.error).encode() if outcome.error is not None else encode_dynamic(outcome.value)


def _kept(run: CoreRun, given: Sequence[Any]) -> int:
    return run.memory.fill(given[0], given[1], run.kept)


def _reply(run: CoreRun, given: Sequence[Any]) -> None:
    run.reply = _taken(run, given[0], given[1], run.session.limits.value_bytes, "value_bytes")


def _fail(run: CoreRun, given: Sequence[Any]) -> None:
    text = _taken(run, given[0], given[1], _ERROR_BYTES_MAX, "value_bytes")
    raise RemoteError("fail", printable(text.decode(errors="replace"), "\n\t"))


def _log(run: CoreRun, given: Sequence[Any]) -> None:
    level, at, length = given
    shown = min(length & 0xFFFFFFFF, run.session.limits.log_bytes + 1)
    run.session.log(level, run.memory.read(at, shown).decode(errors="replace"))


def _now(run: CoreRun, given: Sequence[Any]) -> float:
    return run.session.now()


def _random(run: CoreRun, given: Sequence[Any]) -> None:
    at, length = given
    run.memory.write(at, run.session.entropy(length & 0xFFFFFFFF))


FUNCTIONS: dict[str, tuple[Sequence[str], str | None, HostFunction]] = {
    "key": ([I32] * 2, I32, _key),
    "get": ([I32] * 4, I32, _get),
    "put": ([I32] * 4, None, _put),
    "delete": ([I32] * 2, None, _delete),
    "scan": ([I32] * 8, I32, _scan),
    "send": ([*[I32] * 8, F64], None, _send),
    "call": ([I32] * 8, I32, _call),
    "result": ([I32] * 2, I32, _kept),
    "reply": ([I32] * 2, None, _reply),
    "fail": ([I32] * 2, None, _fail),
    "log": ([I32] * 3, None, _log),
    "now": ([], F64, _now),
    "random": ([I32] * 2, None, _random),
}
"""By name: what they take, what they give, and what they do."""
