"""From a manifest to a type of the host: methods of a module run in place of the code that its class does not have."""

from __future__ import annotations

from automata.methods import INLINE, Method
from automata.sandbox.described_type import Shim, described_type, dressed
from automata.sandbox.manifest import MethodManifest, TypeManifest
from automata.sandbox.shims import Guest
from automata.types import AutomatonType


def uploaded_type(described: TypeManifest, guest: Guest, application: str, core: bool) -> AutomatonType:
    """The type that a module describes. core: its module is no component. Raises ModuleRefused."""
    made = described_type(described, application, core, lambda method: guest.task_shim(method, core))
    if core:
        for method in described.methods:
            _let_inline(made, method, dressed(guest.inline_shim(method), described, method, application))
    return made


def _let_inline(made: AutomatonType, described: MethodManifest, shim: Shim) -> None:
    method = made.methods[described.name]
    method.inline = Method(made.name, described.name, shim)
    method.inline.resolve(shim.__annotations__)
    method.way = INLINE
