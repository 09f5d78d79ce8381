"""What sandboxed code may use, for each invocation and each module."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from automata.errors import InvalidArgument

_RATES = ("fuel_per_second", "messages_per_second")  # 0 is no bound at all


@dataclass(frozen=True)
class SandboxLimits:
    """Bounds of one uploaded module. `LimitExceeded.limit` names the one that was met.

    Of each run of a method (a method that awaits others runs again after each, with all of it anew):
    fuel: about the WebAssembly instructions; seconds: of wall-clock time in WebAssembly; memory_bytes: linear memory;
    table_elements: of all tables; host_calls: of any kind; writes: of rows; write_bytes: of these and of messages;
    key_bytes, value_bytes: of one row; sends: messages, or calls awaited at once; elements: values in the arguments of
    all that a part sends and awaits; log_bytes: of text for the log.
    Of a whole invocation: reads, read_bytes: rows, and the bytes of rows and of chance, which its host keeps to give
    them again; awaits: how often it may await others.
    Of all invocations of the module that await others at once: awaiting_bytes: 64 KiB for each, and what it has read.
    Of the module: module_bytes: of the file; types, and methods of each.
    Of its uploader, over all modules: runs_at_once: beside the event loop; fuel_per_second, messages_per_second: in the
    long run, 0 for any.
    """

    fuel: int = 10_000_000_000
    seconds: float = 3.0
    memory_bytes: int = 64 << 20
    table_elements: int = 20_000
    host_calls: int = 1_000_000
    reads: int = 100_000
    read_bytes: int = 64 << 20
    writes: int = 100_000
    write_bytes: int = 16 << 20
    key_bytes: int = 4096
    value_bytes: int = 4 << 20
    sends: int = 2000
    elements: int = 20_000
    log_bytes: int = 64 << 10
    awaits: int = 1000
    awaiting_bytes: int = 256 << 20
    module_bytes: int = 64 << 20
    types: int = 100
    methods: int = 1000
    runs_at_once: int = 4
    fuel_per_second: int = 0
    messages_per_second: int = 2000

    def within(self, ceiling: SandboxLimits) -> SandboxLimits:
        """These limits, none above its ceiling."""
        given = dataclasses.asdict(self)
        highest = dataclasses.asdict(ceiling)
        lowered = {name: min(value, highest[name]) for name, value in given.items()}
        for rate in _RATES:
            lowered[rate] = min(given[rate], highest[rate]) or given[rate] or highest[rate]
        return SandboxLimits(**lowered)


def limits_of(given: Mapping[str, object]) -> SandboxLimits:
    """Limits by name, the others as they are by default. Raises InvalidArgument for what is no limit."""
    known = {field.name: field for field in dataclasses.fields(SandboxLimits)}
    for name, value in given.items():
        if name not in known:
            raise InvalidArgument(f"there is no limit {name!r}; the limits: {', '.join(known)}")
        numbers = (int, float) if name == "seconds" else (int,)
        least = 1 if name == "runs_at_once" else 0  # with none, whoever calls would wait for ever
        if type(value) not in numbers or not least <= value < 1 << 62:  # type: ignore[operator]
            raise InvalidArgument(f"the limit {name} is a number from {least} on, not {value!r}")
    return SandboxLimits(**given)  # type: ignore[arg-type]
