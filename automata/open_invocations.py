"""Methods that have committed a part and have not finished, with their journals. A store that opens resumes them.

Their rows are made when a group is sealed, so a method that suspends and ends within one group leaves nothing on disk,
and costs no encoding either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from automata.envelope import OpenInvocation, decode_open, encode_open
from automata.errors import Interrupted
from automata.journal import ANYTHING, Answer, Cancellation, Journal, Part, decode_part, encode_part
from automata.methods import Kind
from automata.partitions import address_of
from automata.request_ids import NO_FINGERPRINT, nested
from automata.work import Outcome, Work
from darq import keys
from darq.group import Group
from darq.log import Log

_PAGE_ROWS = 1024
_PART_BYTES = 4

Address = tuple[int, int, int]
"""Where an answer goes: number of a journal, part, index."""


@dataclass(slots=True)
class JournalCaller:
    """The method that awaits a nested call, as the place where its answer goes."""

    opened: OpenInvocations
    address: Address

    def answer(self, outcome: Outcome, kind: Kind) -> None:
        """Keep the outcome in the caller's journal, if it is still open."""
        self.opened.answer(self.address, Answer.of(outcome, kind))


class OpenInvocations:
    """The unfinished invocations of one store, by number. Some wait for a person: their row says which trouble."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._journals: dict[int, Journal] = {}
        self._callees: dict[Address, Journal] = {}
        self._by_request: dict[tuple[bytes, bytes], Journal] = {}
        self._unsaved: dict[int, Journal] = {}
        self._expected: dict[Address, asyncio.Future[None]] = {}
        for number, data in _rows(log):
            self._add(Journal(number, decode_open(data), saved_row=data))
        log.stagers.append(self._stage)

    def all(self) -> list[Journal]:
        """In order of their numbers."""
        return [self._journals[number] for number in sorted(self._journals)]

    def find(self, number: int) -> Journal | None:
        """The journal of this number."""
        return self._journals.get(number)

    def of(self, partition: bytes) -> list[Journal]:
        """Those of one object, in order of their numbers."""
        return [journal for journal in self.all() if journal.row.partition == partition]

    def called_by(self, number: int) -> list[Journal]:
        """The unfinished methods that the one of this number has called."""
        return [journal for caller, journal in self._callees.items() if caller[0] == number]

    def has_moved(self, number: int) -> bool:
        """Whether a method has come from another store, since it began."""
        journal = self._journals.get(number)
        return journal is not None and journal.row.origin is not None

    def request_of(self, address: Address) -> bytes:
        """The id under which the method that awaits there asks other stores, wherever it has moved since it began."""
        number, part, index = address
        journal = self._journals.get(number)
        origin = journal.row.origin if journal is not None else None
        return nested(*(origin or (self._log.store.identity(), number)), part, index)

    def callee(self, caller: Address) -> Journal | None:
        """The unfinished method that was called from there."""
        return self._callees.get(caller)

    def waits_within(self, caller: Address, partition: bytes, request: bytes) -> bool:
        """Whether the method that awaits there, or one that waits for it, runs under this key itself."""
        journal = self._journals.get(caller[0])
        while journal is not None:
            row = journal.row
            if (row.partition, row.request) == (partition, request):
                return True
            journal = self._journals.get(row.caller[0]) if row.caller is not None else None
        return False

    def caller(self, address: Address) -> JournalCaller:
        """A place where an answer goes."""
        return JournalCaller(self, address)

    def load(self, journal: Journal) -> None:
        """Read the parts and answers of a journal that an earlier life has left."""
        begin = keys.numbered(keys.JOURNAL, journal.number)
        end = keys.numbered(keys.JOURNAL, journal.number + 1)
        prefix = len(begin)
        while rows := self._log.store.scan(begin, end, _PAGE_ROWS):
            for key, data in rows:
                journal.saved[key] = None
                journal.size_bytes += len(data)
                part = int.from_bytes(key[prefix : prefix + _PART_BYTES], "big")
                if len(key) == prefix + _PART_BYTES:
                    journal.parts.append(decode_part(data))
                else:
                    index = int.from_bytes(key[prefix + _PART_BYTES :], "big")
                    journal.answers[part, index] = Answer(None, ANYTHING, data)
            begin = rows[-1][0] + b"\x00"
        journal.saved_parts = len(journal.parts)
        journal.loaded = True

    def is_open(self, partition: bytes, request: bytes) -> bool:
        """Whether a method with this key is unfinished."""
        return (partition, request) in self._by_request

    def check(self, partition: bytes, request: bytes) -> None:
        """Raise Interrupted for the key of a method that waits for a person: it must not run a second time."""
        journal = self._by_request.get((partition, request))
        if journal is not None and journal.row.trouble:
            raise interrupted(journal)

    # what happens to them

    def open(self, work: Work) -> Journal:
        """The first part of `work` is about to commit."""
        request, caller = work.request, work.caller
        row = OpenInvocation(
            work.entity.partition,
            work.method.name,
            b"",
            request.key if request else b"",
            request.fingerprint if request else b"",
            int(self._log.clock() * 1000),
            work.one_way,
            caller.address if caller else None,
            kept_ms=work.entity.made.options.keys_kept_ms if request else None,
        )
        pack = partial(work.method.encode_arguments, work.packed)
        journal = Journal(self._log.take_lsn(), row, pack, loaded=True)
        self._add(journal)
        return journal

    def add_part(self, journal: Journal, part: Part) -> None:
        """A part commits with the step that is staged next."""
        journal.parts.append(part)
        journal.size_bytes += part.size_bytes()
        if journal.row.attempts or journal.row.deaths:
            journal.row.attempts, journal.row.deaths, journal.row.alone = 0, 0, False
        self._unsaved[journal.number] = journal

    def end(self, journal: Journal) -> None:
        """The method ends with the step that is staged next."""
        journal.ended = True
        self._unsaved[journal.number] = journal
        del self._journals[journal.number]
        row = journal.row
        if row.caller is not None:
            del self._callees[row.caller]
        if row.request:
            self._by_request.pop((row.partition, row.request), None)

    def detach(self, journal: Journal) -> None:
        """A method and the one that awaits it part: its outcome is recorded, and asked for from another store."""
        row = journal.row
        if row.caller is None:
            return
        if not row.request:
            row.request, row.fingerprint = self.request_of(row.caller), NO_FINGERPRINT
            self._by_request[row.partition, row.request] = journal
        del self._callees[row.caller]
        expected = self._expected.pop(row.caller, None)
        if expected is not None and not expected.done():
            expected.set_result(None)
        row.caller = None
        self._unsaved[journal.number] = journal

    def adopt(self, row: OpenInvocation, parts: Sequence[bytes], answers: Sequence[tuple[int, int, bytes]]) -> Journal:
        """A method has come from another store with all that its journal holds: it is saved with the open group."""
        journal = Journal(self._log.take_lsn(), row, loaded=True)
        journal.parts = [decode_part(data) for data in parts]
        journal.size_bytes = sum(map(len, parts))
        for part, index, data in answers:
            journal.add_answer(part, index, Answer(None, ANYTHING, data))
        self._add(journal)
        self._unsaved[journal.number] = journal
        return journal

    def answer(self, address: Address, answer: Answer) -> None:
        """One of the things that a method awaits has an outcome."""
        number, part, index = address
        journal = self._journals.get(number)
        if journal is not None:
            journal.add_answer(part, index, answer)
            self._unsaved[number] = journal
        expected = self._expected.pop(address, None)
        if expected is not None and not expected.done():
            expected.set_result(None)

    def give_up(self, address: Address, outcome: Outcome) -> None:
        """A method that another awaits was given up by a person."""
        self.answer(address, Answer.of(outcome, ANYTHING))

    def expect(self, address: Address, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """A future that is done when the answer is there."""
        expected = self._expected.get(address)
        if expected is None or expected.done():  # whoever awaited it has given up
            expected = self._expected[address] = loop.create_future()
        return expected

    def cancel(self, journal: Journal, part: int, cancellation: Cancellation) -> None:
        """The method has given up to await what its last part awaits."""
        journal.cancel(part, cancellation)
        self._unsaved[journal.number] = journal

    def ask_again(self, journal: Journal) -> list[BaseException]:
        """Forget what was refused: it has not happened, and is awaited anew when the part is. Returns why it was."""
        prefix = keys.numbered(keys.JOURNAL, journal.number)
        dropped = journal.drop_refusals()
        for part, index in dropped:
            journal.stale.append(_answer_key(prefix, part, index))
        self._unsaved[journal.number] = journal
        return list(dropped.values())

    def changed(self, journal: Journal) -> None:
        """Its row was changed: save it with the open group."""
        self._unsaved[journal.number] = journal

    def restart(self, journal: Journal) -> Journal:
        """Begin the method anew, under a number of its own: what its earlier run has called answers that one."""
        self.end(journal)
        row = msgspec.structs.replace(journal.row, anew=True, origin=None, trouble="", error="", traceback="")
        anew = Journal(self._log.take_lsn(), row, loaded=True)
        self._add(anew)
        self._unsaved[anew.number] = anew
        return anew

    # inside

    def _add(self, journal: Journal) -> None:
        row = journal.row
        self._journals[journal.number] = journal
        if row.caller is not None:
            self._callees[row.caller] = journal
        if row.request:
            self._by_request[row.partition, row.request] = journal

    def _stage(self, group: Group) -> None:
        """The open group is about to be written: add the rows of all journals that have changed."""
        for journal in self._unsaved.values():
            for key in journal.stale:
                if journal.saved.pop(key, b"") is None:
                    group.rows[key] = None
            journal.stale.clear()
            if journal.ended:
                for key in journal.saved:
                    group.rows[key] = None
                if journal.saved_row:
                    group.rows[keys.numbered(keys.INVOCATION, journal.number)] = None
            else:
                self._save(journal, group.rows)
        self._unsaved.clear()

    def _save(self, journal: Journal, rows: dict[bytes, bytes | None]) -> None:
        if journal.pack is not None:
            journal.row.arguments, journal.pack = journal.pack(), None
        data = encode_open(journal.row)
        if data != journal.saved_row:
            journal.saved_row = rows[keys.numbered(keys.INVOCATION, journal.number)] = data
        prefix = keys.numbered(keys.JOURNAL, journal.number)
        for number in range(journal.saved_parts, len(journal.parts)):
            self._put(journal, rows, prefix + number.to_bytes(_PART_BYTES, "big"), encode_part(journal.parts[number]))
        journal.saved_parts = len(journal.parts)
        for part, index in journal.unsaved:
            answer = journal.answers.get((part, index))
            if answer is not None:
                key = _answer_key(prefix, part, index)
                data = answer.encode(self._log.limits.message_bytes_max, f"what {journal.row.method} awaits")
                self._put(journal, rows, key, data)
        journal.unsaved.clear()

    def _put(self, journal: Journal, rows: dict[bytes, bytes | None], key: bytes, data: bytes) -> None:
        rows[key] = data
        journal.saved[key] = None


def _answer_key(prefix: bytes, part: int, index: int) -> bytes:
    return prefix + part.to_bytes(_PART_BYTES, "big") + index.to_bytes(4, "big")


def interrupted(journal: Journal) -> Interrupted:
    """The error for whoever waits for a method that waits for a person."""
    type_name, key = address_of(journal.row.partition)
    return Interrupted(
        f"{type_name}/{key} {journal.row.method} stopped after {len(journal.parts)} committed parts: "
        f"{journal.row.error} (number {journal.number} in app.interrupted()); it is not run a second time"
    )


def _rows(log: Log) -> Iterator[tuple[int, bytes]]:
    begin, end = keys.INVOCATION, keys.after(keys.INVOCATION)
    while rows := log.store.scan(begin, end, _PAGE_ROWS):
        for key, data in rows:
            yield keys.number_of(key), data
        begin = rows[-1][0] + b"\x00"
