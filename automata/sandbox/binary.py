"""What kind of WebAssembly some bytes are, before anything looks closer."""

from __future__ import annotations

from automata.errors import ModuleRefused
from automata.sandbox.limits import SandboxLimits

CORE, COMPONENT = "core", "component"

_HEADS = {b"\0asm\x01\0\0\0": CORE, b"\0asm\x0d\0\x01\0": COMPONENT}
_HEAD_BYTES = 8


def kind_of(data: bytes, limits: SandboxLimits) -> str:
    """CORE or COMPONENT. Raises ModuleRefused for what is neither, or too large."""
    if len(data) > limits.module_bytes:
        raise ModuleRefused(f"the module has {len(data)} bytes: at most {limits.module_bytes} are taken")
    kind = _HEADS.get(data[:_HEAD_BYTES])
    if kind is None:
        raise ModuleRefused(
            "this is no WebAssembly: a file that `ssms build` has made is, or a core module (text has to be assembled)"
        )
    return kind
