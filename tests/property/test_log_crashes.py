"""Random steps with crashes against a model: what was released is there, and what is there is a prefix of the steps."""

import random
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from darq import Limits, Log, MemoryStore, Message, keys
from darq.errors import OutcomeUnknown

NAMES = [b"a", b"b", b"b\x00", b"b\x00\x01"]
names = st.sampled_from(NAMES)
subkeys = st.binary(min_size=1, max_size=1).map(lambda key: bytes(b % 8 for b in key))


@dataclass
class Model:
    """What the store should hold: state, messages in order, and recorded self-messages."""

    state: dict[tuple[bytes, bytes], bytes] = field(default_factory=dict)
    inbox: list[bytes] = field(default_factory=list)
    records: dict[bytes, list[bytes]] = field(default_factory=dict)

    def copy(self) -> "Model":
        return Model(dict(self.state), list(self.inbox), {name: list(rows) for name, rows in self.records.items()})


class Crashes(RuleBasedStateMachine):
    """One log that lives, crashes and lives again."""

    @initialize(seed=st.integers(0, 1 << 32), window=st.sampled_from([1, 3, 1000]))
    def create(self, seed: int, window: int) -> None:
        self.store = MemoryStore(random.Random(seed))
        self.limits = Limits(inbox_window_messages_max=window, wal_bytes_max=200)
        self.sent = 0
        self.model = Model()
        self.groups: dict[int, Model] = {0: self.model.copy()}  # the model after each group
        self.released = 0
        self.life()

    def life(self) -> None:
        self.log = Log(self.store, self.limits, lambda: 0.0)
        self.taken: list[Message] = []

    @rule(
        name=names,
        puts=st.dictionaries(subkeys, st.none() | st.binary(max_size=2), max_size=3),
        cleared=st.none() | st.tuples(subkeys, subkeys),
        consumes=st.integers(0, 3),
        sends=st.lists(names, max_size=3),
        records=st.integers(0, 2),
    )
    def step(
        self,
        name: bytes,
        puts: dict[bytes, bytes | None],
        cleared: tuple[bytes, bytes] | None,
        consumes: int,
        sends: list[bytes],
        records: int,
    ) -> None:
        step, model = self.log.step(name), self.model
        for _ in range(consumes):
            message = self.log.inbox.next(self.log.group)
            assert (message is None) == (not model.inbox)
            if message is None:
                break
            assert message.payload() == model.inbox.pop(0)
            step.consume(message)
        if cleared is not None:
            step.put(b"\x00", b"")
            assert step.overlay is not None
            step.overlay.drop_range(*cleared)
            model.state[name, b"\x00"] = b""
            for at in [at for at in model.state if at[0] == name and cleared[0] <= at[1] < cleared[1]]:
                del model.state[at]
        for subkey, value in puts.items():
            if value is None:
                step.delete(subkey)
                model.state.pop((name, subkey), None)
            else:
                step.put(subkey, value)
                model.state[name, subkey] = value
        for receiver in sends:
            self.sent += 1
            step.send(Message(receiver, b"%d" % self.sent))
            model.inbox.append(b"%d" % self.sent)
        for _ in range(records):
            self.sent += 1
            step.record(b"%d" % self.sent)
            model.records.setdefault(name, []).append(b"%d" % self.sent)
        self.log.gate.release(self.log.commit(step), self.note_release(self.log.group.number))

    def note_release(self, group: int):  # type: ignore[no-untyped-def]
        def released(error: BaseException | None) -> None:
            if error is None:
                self.released = max(self.released, group)

        return released

    @rule(name=names)
    def trim(self, name: bytes) -> None:
        recorded = list(self.log.replay(name))
        if len(recorded) > 1:
            step = self.log.step(name)
            self.log.trim_records(step, recorded[len(recorded) // 2][0])
            self.model.records[name] = self.model.records[name][len(recorded) // 2 + 1 :]
            self.log.commit(step)

    @rule()
    def seal(self) -> None:
        group = self.log.seal()
        self.groups[group] = self.model.copy()

    @rule()
    def seal_and_release(self) -> None:
        self.seal()
        self.log.flush()
        self.log.settle(self.log.group.number - 1)

    @rule(what=st.sampled_from(["write", "flush"]))
    def fail(self, what: str) -> None:
        setattr(self.store, f"fail_next_{what}", OSError("broken"))
        self.groups[self.log.group.number] = self.model.copy()
        try:
            self.log.commit_now()
        except OutcomeUnknown:
            self.crash()
        else:
            raise AssertionError("a failed write or flush must be said")

    @rule()
    def crash(self) -> None:
        self.store.crash()
        self.life()
        survived = self.log.group.number - 1
        assert survived >= self.released
        self.model = self.groups[survived].copy()
        self.groups = {survived: self.model.copy()}
        self.released = survived

    @precondition(lambda self: hasattr(self, "log"))
    @invariant()
    def equals_the_model(self) -> None:
        for name in NAMES:
            prefix = keys.partition_key(keys.STATE, name)
            expected = sorted((at[1], value) for at, value in self.model.state.items() if at[0] == name)
            assert self.log.scan(prefix, (b"", b"\xff"), keys.ALL) == expected
            assert [payload for _, payload in self.log.replay(name)] == self.model.records.get(name, [])

    def teardown(self) -> None:
        if not hasattr(self, "log"):
            return
        self.seal_and_release()
        self.store.crash()
        self.life()
        left = []
        while (message := self.log.inbox.next(self.log.group)) is not None:
            left.append(message.payload())
        assert left == self.model.inbox


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(stateful_step_count=40)
