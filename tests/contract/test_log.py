"""What a log promises, on every store."""

import itertools
from itertools import count

import pytest

from darq import Limits, Log, Message, Step, Store, keys
from darq.errors import Fenced, InvalidArgument, InvalidStep, OutcomeUnknown, StorageFull, StoreClosed
from darq.history import notes
from tests.contract.stores import Disk, MemoryDisk

A, B = b"a", b"b"
A_STATE = keys.partition_key(keys.STATE, A)


def send(log: Log, *payloads: bytes, to: bytes = B) -> None:
    step = log.step(A)
    for payload in payloads:
        step.send(Message(to, payload))
    log.commit(step)


def take(log: Log) -> Message:
    message = log.inbox.next(log.group)
    assert message is not None
    return message


def consume(log: Log, message: Message) -> None:
    step = log.step(message.partition)
    step.consume(message)
    log.commit(step)


def drain(log: Log) -> list[bytes]:
    bodies = []
    while (message := log.inbox.next(log.group)) is not None:
        bodies.append(message.body)
        consume(log, message)
    return bodies


def full_step(log: Log) -> Step:
    step = log.step(A)
    step.put(b"x", b"1")
    step.record(b"recorded")
    step.send(Message(B, b"sent"))
    step.send_to_store(b"r" * 16, Message(B, b"left"))
    step.set_row(keys.INVOCATION + b"i", b"row")
    return step


# the step


def test_a_step_is_visible_at_once_and_whole_after_reopening(disk: Disk) -> None:
    log = Log(disk.open())
    log.commit(full_step(log))
    for _ in range(2):
        assert log.read(A_STATE, b"x") == b"1"
        assert [payload for _, payload in log.replay(A)] == [b"recorded"]
        assert log.row(keys.INVOCATION + b"i") == b"row"
        log.close()
        log = Log(disk.open())
    assert log.outbox.batch(b"r" * 16, 10, 1000) == (1, [b"\x00\x01bleft"])
    assert drain(log) == [b"sent"]
    log.close()


def test_an_invalid_step_leaves_nothing_behind(log: Log) -> None:
    send(log, b"m")
    message = take(log)
    consume(log, message)
    step = full_step(log)
    step.consume(message)
    before = log.next_lsn
    with pytest.raises(InvalidStep):
        log.commit(step)
    assert log.read(A_STATE, b"x") is None
    assert (list(log.replay(A)), drain(log), log.next_lsn) == ([], [], before)


def test_a_message_is_not_consumed_twice_in_one_step(log: Log) -> None:
    send(log, b"m", b"n")
    first, second = take(log), take(log)
    step = log.step(B)
    for message in (first, second, first):
        step.consume(message)
    with pytest.raises(InvalidStep, match="twice"):
        log.commit(step)
    consume(log, first)
    consume(log, second)


@pytest.mark.parametrize("seal_between", [False, True])
def test_a_message_is_not_consumed_again_by_a_later_step(log: Log, seal_between: bool) -> None:
    send(log, b"m")
    if seal_between:
        log.commit_now()
    message = take(log)
    consume(log, message)
    if seal_between:
        log.commit_now()
    with pytest.raises(InvalidStep, match="not pending"):
        consume(log, message)


def test_a_step_that_names_a_pending_and_a_consumed_message_consumes_neither(log: Log) -> None:
    send(log, b"m", b"n")
    gone, pending = take(log), take(log)
    consume(log, gone)
    step = log.step(B)
    step.consume(pending)
    step.consume(gone)
    with pytest.raises(InvalidStep):
        log.commit(step)
    consume(log, pending)


def test_a_message_that_was_never_sent_is_not_consumed(log: Log) -> None:
    with pytest.raises(InvalidStep):
        consume(log, Message(B, b"forged", lsn=77))


def test_a_partition_sends_to_itself_in_the_step_that_consumes(log: Log) -> None:
    send(log, b"0", to=A)
    for n in range(1, 4):
        message = take(log)
        step = log.step(A)
        step.consume(message)
        step.send(Message(A, b"%d" % n))
        log.commit(step)
    assert drain(log) == [b"3"]


def test_the_message_that_a_step_consumes_can_be_passed_on(log: Log) -> None:
    send(log, b"m")
    log.commit_now()
    message = take(log)
    step = log.step(B)
    step.consume(message)
    step.send(message)
    log.commit(step)
    log.commit_now()
    assert drain(log) == [b"m"]


@pytest.mark.parametrize("size_key", ["message_bytes_max", "value_bytes_max", "step_bytes_max"])
def test_a_step_over_a_limit_is_refused_whole(store: Store, size_key: str) -> None:
    log = Log(store, Limits(**{size_key: 100}))  # type: ignore[arg-type]
    step = full_step(log)
    if size_key == "message_bytes_max":
        step.send(Message(B, b"m" * 101))
    else:
        step.put(b"large", b"v" * 101)
    with pytest.raises(InvalidArgument, match="the limit is 100"):
        log.commit(step)
    assert (log.read(A_STATE, b"x"), log.group.dirty) == (None, False)


def test_a_name_that_does_not_fit_a_row_is_refused_before_it_can_harm_a_group(log: Log) -> None:
    with pytest.raises(InvalidArgument):
        log.step(b"n" * 70_000)
    with pytest.raises(InvalidArgument):
        log.step(A).send(Message(b"n" * 70_000))


# groups


def test_a_group_is_full_at_its_steps_or_bytes(store: Store) -> None:
    log = Log(store, Limits(group_steps_max=2, group_bytes_max=1000))
    log.commit(full_step(log))
    assert not log.full
    log.commit(full_step(log))
    assert log.full
    log.commit_now()
    step = log.step(A)
    step.put(b"x", b"v" * 1000)
    log.commit(step)
    assert log.full


def test_what_a_group_bears_and_consumes_is_never_written(log: Log) -> None:
    send(log, b"m")
    assert drain(log) == [b"m"]
    log.commit_now()
    assert log.store.scan(keys.INBOX, keys.after(keys.INBOX), 10) == []


def test_the_gate_opens_group_by_group_and_only_after_the_flush(log: Log) -> None:
    seen: list[str] = []
    first = log.commit(full_step(log))
    log.gate.release(first, lambda error: seen.append(f"first {error}"))
    assert log.seal() == first
    second = log.commit(full_step(log))
    log.gate.release(second, lambda error: seen.append(f"second {error}"))
    log.gate.release(first, lambda error: seen.append(f"late {error}"))
    log.flush()
    assert seen == []
    log.settle(first)
    assert seen == ["first None", "late None"]
    log.commit_now()
    assert seen == ["first None", "late None", "second None"]
    log.gate.release(first, lambda error: seen.append(f"at once {error}"))
    assert seen[-1] == "at once None"


def test_closing_releases_what_waits(disk: Disk) -> None:
    log = Log(disk.open())
    seen: list[BaseException | None] = []
    log.gate.release(log.commit(full_step(log)), seen.append)
    log.seal()
    log.gate.release(log.commit(full_step(log)), seen.append)
    log.close()
    assert seen == [None, None]
    with pytest.raises(StoreClosed):
        log.commit(full_step(log))


def test_a_life_that_did_not_end_with_a_close_is_known_as_killed() -> None:
    disk = MemoryDisk()
    log = Log(disk.store)
    assert not log.was_killed
    log.commit(full_step(log))
    log.commit_now()
    disk.store.crash()
    log = Log(disk.store)
    assert log.was_killed
    log.commit(full_step(log))
    log.close()
    assert not Log(disk.open()).was_killed


# the inbox


def test_messages_come_in_the_order_in_which_they_were_sent(log: Log) -> None:
    for n in range(10):
        send(log, b"%d" % n)
        if n % 3 == 0:
            log.commit_now()
    assert drain(log) == [b"%d" % n for n in range(10)]


@pytest.mark.parametrize("group", [1, 3, 7, 100])
@pytest.mark.parametrize("taken", [0, 2, 9])
def test_messages_beyond_the_window_keep_their_order_and_none_is_lost(disk: Disk, group: int, taken: int) -> None:
    log = Log(disk.open(), Limits(inbox_window_messages_max=4))
    got, sent = [], count()
    for _ in range(6):
        for _ in range(10):
            send(log, b"%d" % next(sent))
            if log.group.steps >= group:
                log.commit_now()
        for _ in range(taken):
            message = take(log)
            got.append(message.body)
            consume(log, message)
        assert len(log.inbox.ready) <= 4
    log.close()
    log = Log(disk.open(), Limits(inbox_window_messages_max=4))
    got += drain(log)
    assert got == [b"%d" % n for n in range(60)]
    log.commit_now()
    assert log.store.scan(keys.INBOX, keys.after(keys.INBOX), 10) == []
    log.close()


def test_a_message_that_was_taken_and_not_consumed_comes_again_after_reopening(disk: Disk) -> None:
    log = Log(disk.open())
    send(log, b"m", b"n", b"o")
    log.commit_now()
    take(log)
    consume(log, take(log))
    log.close()
    log = Log(disk.open())
    assert drain(log) == [b"m", b"o"]
    log.close()


# recovery records


def test_replay_equals_what_was_recorded_in_order_and_without_what_was_trimmed(disk: Disk) -> None:
    log = Log(disk.open())
    for n in range(6):
        step = log.step(A)
        step.record(b"%d" % n)
        step.record(b"%d'" % n)
        log.commit(step)
        other = log.step(A + b"\x00")
        other.record(b"of another partition")
        log.commit(other)
        if n == 2:
            log.commit_now()
    expected = [b"%d%s" % (n, mark) for n in range(6) for mark in (b"", b"'")]
    assert [payload for _, payload in log.replay(A)] == expected
    trim = log.step(A)
    log.trim_records(trim, list(log.replay(A))[7][0])
    log.commit(trim)
    for _ in range(2):
        assert [payload for _, payload in log.replay(A)] == expected[8:]
        assert len(list(log.replay(A + b"\x00"))) == 6
        log.close()
        log = Log(disk.open())
    log.close()


def test_replay_begins_behind_a_number_and_reads_page_by_page(disk: Disk) -> None:
    log = Log(disk.open())
    for n in range(5000):
        step = log.step(A)
        step.record(b"%d" % n)
        log.commit(step)
        if n % 1500 == 1499:
            log.commit_now()
    found = list(log.replay(A))
    assert [payload for _, payload in found] == [b"%d" % n for n in range(5000)]
    assert list(log.replay(A, found[3999][0])) == found[4000:]
    assert list(log.replay(A, found[-1][0])) == []
    log.close()


def test_records_are_trimmed_where_they_are_staged_where_they_are_stored_and_nowhere_else(disk: Disk) -> None:
    log = Log(disk.open())
    for n in range(4):
        step = log.step(A)
        step.record(b"%d" % n)
        log.commit(step)
        if n == 1:
            log.commit_now()
    trim = log.step(A)
    log.trim_records(trim, list(log.replay(A))[2][0])
    trim.record(b"of the same step")
    log.commit(trim)
    for _ in range(2):
        assert [payload for _, payload in log.replay(A)] == [b"3", b"of the same step"]
        log.close()
        log = Log(disk.open())
    log.close()


# requests


def test_an_outcome_is_kept_until_its_time_is_over_and_then_dropped_from_the_disk(disk: Disk) -> None:
    now = [1000.0]
    log = Log(disk.open(), Limits(request_seconds_kept=10.0), lambda: now[0])
    for _ in range(3):  # more than one group records, less is dropped at a time than was recorded
        for n in range(400):
            step = log.step(A)
            log.requests.record(step, b"%d" % n, b"f" * 16, b"answer", int(now[0] * 1000))
            log.commit(step)
        log.commit_now()
    found = log.requests.find(A, b"7", 1_009_999, log.group)
    assert found is not None
    assert found.outcome == b"answer"
    assert log.requests.find(A, b"7", 1_010_000, log.group) is None
    log.close()
    now[0] = 1_012.0
    log = Log(disk.open(), Limits(request_seconds_kept=10.0), lambda: now[0])
    for _ in range(4):
        now[0] += 2
        log.commit_now()
    for kind in (keys.REQUEST, keys.EXPIRY):
        assert log.store.scan(kind, keys.after(kind), 10) == []
    log.close()


def test_recording_again_keeps_the_outcome_for_its_full_time(store: Store) -> None:
    now = [0.0]
    log = Log(store, clock=lambda: now[0])
    for now_ms in (1000, 5000):
        step = log.step(A)
        log.requests.record(step, b"r", b"f" * 16, b"answer", now_ms)
        log.commit(step)
        log.commit_now()
    now[0] = log.limits.request_seconds_kept + 3.0  # the first time is over, the second is not
    log.commit_now()
    assert len(log.store.scan(keys.EXPIRY, keys.after(keys.EXPIRY), 10)) == 1
    assert log.store.get(keys.partition_key(keys.REQUEST, A) + b"r") is not None


def test_outcomes_recorded_while_the_clock_was_set_back_are_dropped_too(store: Store) -> None:
    now = [10_000.0]
    log = Log(store, Limits(request_seconds_kept=10.0), lambda: now[0])
    log.commit_now()
    now[0] = 5_000.0
    step = log.step(A)
    log.requests.record(step, b"r", b"f" * 16, b"answer", 5_000_000)
    log.commit(step)
    log.commit_now()
    now[0] = 6_000.0
    log.commit_now()
    assert log.store.scan(keys.REQUEST, keys.after(keys.EXPIRY), 10) == []


# leases and failures


def test_a_second_log_fences_the_first(store: Store) -> None:
    first = Log(store)
    first.commit_now()
    step = full_step(first)
    first.commit(step)
    second = Log(store)
    seen: list[BaseException | None] = []
    first.gate.release(first.group.number, seen.append)
    with pytest.raises(Fenced, match="epoch 1 was superseded by epoch 2"):
        first.commit_now()
    assert isinstance(seen[0], Fenced)
    with pytest.raises(Fenced):
        first.commit(full_step(first))
    second.commit(full_step(second))
    second.commit_now()
    assert drain(second) == [b"sent"]


def test_an_epoch_is_durable_before_its_holder_runs_a_step() -> None:
    disk = MemoryDisk()
    assert Log(disk.store).lease.epoch == 1
    disk.store.crash()
    assert Log(disk.store).lease.epoch == 2


def test_below_the_reserve_steps_are_refused_before_they_run_and_reads_go_on() -> None:
    disk, now = MemoryDisk(), [0.0]
    log = Log(disk.store, Limits(), lambda: now[0])
    log.commit(full_step(log))
    log.commit_now()
    disk.store.free, now[0] = 1, 1.0
    with pytest.raises(StorageFull, match="64 MiB"):
        log.admit()
    assert log.read(A_STATE, b"x") == b"1"
    disk.store.free, now[0] = 1 << 40, 2.0
    log.admit()


@pytest.mark.parametrize("fault", ["write", "flush"])
def test_a_failed_write_or_flush_poisons_the_log_until_it_is_opened_again(fault: str) -> None:
    disk = MemoryDisk()
    log = Log(disk.store)
    seen: list[BaseException | None] = []
    log.gate.release(log.commit(full_step(log)), seen.append)
    setattr(disk.store, f"fail_next_{fault}", OSError("broken"))
    with pytest.raises(OutcomeUnknown, match="broken"):
        log.commit_now()
    assert isinstance(seen[0], OutcomeUnknown)
    for refused in (log.admit, log.seal, lambda: log.commit(full_step(log))):
        with pytest.raises(OutcomeUnknown):
            refused()
    disk.store.crash()
    again = Log(disk.store)
    assert again.read(A_STATE, b"x") is None
    again.commit(full_step(again))
    again.commit_now()


def test_the_history_stays_within_its_bound_over_long_and_short_lives(disk: Disk) -> None:
    limits = Limits(history_bytes_max=16_000)
    written = itertools.count()
    newest = -1

    def life(groups: int) -> None:
        nonlocal newest
        log = Log(disk.open(), limits)
        for _ in range(groups):
            step = log.step(A)
            newest = next(written)
            step.note = (newest, b"n" * 300)
            log.commit(step)
            log.commit_now()
        log.close()

    def held() -> list[int]:
        log = Log(disk.open(), limits)
        kept = [note[0] for _, note in notes(log.store, log.history.start)]
        log.close()
        assert kept == list(range(kept[0], newest + 1))
        return kept

    life(200)
    assert 40 <= len(held()) <= 54
    for _ in range(80):
        life(1)
    assert 40 <= len(held()) <= 54
