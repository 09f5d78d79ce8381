"""What kind of WebAssembly some bytes are, before anything looks closer. Text is assembled."""

from __future__ import annotations

from wasmtime import WasmtimeError, wat2wasm

from automata.errors import ModuleRefused
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.record import COMPONENT, CORE

_HEADS = {b"\0asm\x01\0\0\0": CORE, b"\0asm\x0d\0\x01\0": COMPONENT}
_HEAD_BYTES = 8

TEXT_BYTES_MAX = 4 << 20
"""Text is assembled in the process of the host."""


def assembled(data: bytes, limits: SandboxLimits) -> bytes:
    """The module itself, if this is its text. Raises ModuleRefused for text that is none, or too large."""
    if not data.lstrip().startswith((b"(module", b"(component", b";;")):
        return data
    if len(data) > min(limits.module_bytes, TEXT_BYTES_MAX):
        raise _too_large(data, min(limits.module_bytes, TEXT_BYTES_MAX))
    try:
        return bytes(wat2wasm(data))
    except (WasmtimeError, UnicodeDecodeError) as error:
        raise ModuleRefused(f"the text is no WebAssembly: {error}") from None


def kind_of(data: bytes, limits: SandboxLimits) -> str:
    """CORE or COMPONENT. Raises ModuleRefused for what is neither, or too large."""
    if len(data) > limits.module_bytes:
        raise _too_large(data, limits.module_bytes)
    kind = _HEADS.get(data[:_HEAD_BYTES])
    if kind is None:
        raise ModuleRefused(
            "this is no WebAssembly: a file that `ssms build` has made is, or a core module, as bytes or as text"
        )
    return kind


def _too_large(data: bytes, most: int) -> ModuleRefused:
    return ModuleRefused(f"the module has {len(data)} bytes: at most {most} are taken")
