"""Whether a compiled module is what it says: asked of it before anything of it is registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from wasmtime import FuncType, MemoryType, WasmtimeError

from automata.errors import GuestTrapped, LimitExceeded, ModuleRefused
from automata.printable import printable
from automata.sandbox.component_guest import check_component
from automata.sandbox.core_functions import FUNCTIONS
from automata.sandbox.core_guest import I32, I64, MODULE
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.machine import Machine
from automata.sandbox.manifest import Manifest, read_manifest
from automata.sandbox.module import ComponentModule, CoreModule, core_kind
from automata.sandbox.record import CORE
from automata.sandbox.session import Session
from automata.sandbox.targets import Targets
from automata.sandbox.terms import annotation_of
from automata.types import Registry
from automata.values.value_type import value_type

if TYPE_CHECKING:
    from automata.turn import Turn

_DESCRIBE_SECONDS = 2.0
_NAME_CHARACTERS_MAX, _TEXT_MAX = 200, 2000


@dataclass(frozen=True)
class _NoEntity:
    key: str = ""


@dataclass(frozen=True)
class _NoTurn:
    """In place of a turn, where no method runs: whatever the code asks of its host meets a limit."""

    name: str = "the module, when it describes itself,"
    address: str = "a module"
    entity: _NoEntity = field(default_factory=_NoEntity)


def examine(machine: Machine, kind: str, compiled: Path, limits: SandboxLimits) -> Manifest:
    """What is in a compiled module. Raises ModuleRefused if it cannot be run, or is not what it says."""
    alone = SandboxLimits(
        fuel=limits.fuel, seconds=min(limits.seconds, _DESCRIBE_SECONDS), memory_bytes=limits.memory_bytes, host_calls=0
    )
    targets = Targets(Registry(), "")
    session = Session(cast("Turn", _NoTurn()), alone, targets, inline=False)
    try:
        if kind == CORE:
            return _examine_core(machine, compiled, session, limits)
        return _examine_component(machine, compiled, session, limits, targets)
    except (GuestTrapped, LimitExceeded, WasmtimeError) as error:
        text = printable(str(error)[:_TEXT_MAX])
        raise ModuleRefused(f"the module cannot be examined: {text}") from None


def _examine_component(
    machine: Machine, compiled: Path, session: Session, limits: SandboxLimits, targets: Targets
) -> Manifest:
    fault = check_component(machine.load_component(compiled), machine.component_engine, limits)
    if fault:
        raise ModuleRefused(f"the module cannot be run: {fault}")
    return read_manifest(ComponentModule(machine, lambda: compiled, targets, {}).describe(session), limits)


def _examine_core(machine: Machine, compiled: Path, session: Session, limits: SandboxLimits) -> Manifest:
    module = machine.read_core(compiled)
    for imported in module.imports:
        if imported.module != MODULE or imported.name not in FUNCTIONS:
            name = printable(f"{imported.module}.{imported.name}"[:_NAME_CHARACTERS_MAX])
            raise ModuleRefused(f"the module imports {name}, which a sandbox does not give")
    exports = {export.name: export.type for export in module.exports}
    if not isinstance(exports.get("memory"), MemoryType):  # the host reads it as one, without asking again
        raise ModuleRefused("the module exports no memory 'memory'")
    _check_export(exports, "describe", [], I64)
    manifest = read_manifest(CoreModule(machine, lambda: compiled).describe(session), limits)
    for made in manifest.types:
        for method in made.methods:
            given = [kind for parameter in method.parameters for kind in _lowered(parameter.type)]
            _check_export(exports, f"{made.name}.{method.name}", given, core_kind(_exact(method.result)))
            if len(given) > len(method.parameters):
                _check_export(exports, "alloc", [I32], I32)
    return manifest


def _exact(term: object) -> type | None:
    return value_type(annotation_of(term)).exact


def _lowered(term: object) -> list[str]:
    kind = core_kind(_exact(term))
    return [I32, I32] if kind is None else [kind]


def _check_export(exports: Mapping[str, object], name: str, given: list[str], result: str | None) -> None:
    kind = exports.get(name)
    wanted = f"({', '.join(given)}) -> {result or 'nothing'}"
    if not isinstance(kind, FuncType):
        raise ModuleRefused(f"the module exports no function {name!r}, which takes and gives {wanted}")
    found = [str(one) for one in kind.params], [str(one) for one in kind.results]
    if found != (given, [] if result is None else [result]):
        raise ModuleRefused(f"the module's export {name!r} is not {wanted}, as it says of itself")
