"""Deployed types: the code of an automaton type, as a deployer registers it and copies of stores load it (SSMS §3.3).

A type travels as a reference to a module that all machines have, or as cloudpickle of the class. Such code is run: it
is taken from the catalog alone, where a deployer has put it, and never from a caller.
"""

from __future__ import annotations

import hashlib
import importlib
from typing import cast

import msgspec

from automata.errors import UnknownType
from darq.errors import AutomataError
from ssms.by_value import dump, load


class Unloadable(AutomataError):
    """The deployer's fault: code of a type cannot be loaded here. Install the module that is named on all machines,
    or deploy the class by value.
    """


class DeployedType(msgspec.Struct, frozen=True, array_like=True):
    """One version of one type. reference: "module:qualified.name", or "" if `code` has the class as cloudpickle.

    hash: SHA-256 of reference and code: the same code is the same version. version: from 1 on, given by the catalog; 0
    before that.
    """

    name: str
    version: int
    reference: str
    code: bytes
    hash: bytes

    def encode(self) -> bytes:
        """As bytes, for other processes."""
        return _encoder.encode(self)

    @staticmethod
    def decode(data: bytes) -> DeployedType:
        """What `encode` has made. Raises msgspec.DecodeError for anything else."""
        return _decoder.decode(data)

    def load(self) -> type:
        """The class, which is decorated and so registered by being loaded. Raises Unloadable.

        Runs the deployer's code: only for what came from the catalog.
        """
        try:
            loaded = _find(self.reference) if self.reference else load(self.code)
        except Exception as error:
            where = self.reference or "the pickled class"
            raise Unloadable(f"type {self.name} cannot be loaded from {where}: {error!r}. Deploy it again") from error
        made = getattr(loaded, "__automaton__", None)
        if made is None or made.name != self.name:
            raise Unloadable(f"what was deployed as type {self.name} is {loaded!r}: decorate it with @object_type")
        return cast("type", loaded)


def by_reference(cls: type) -> DeployedType:
    """A type that is loaded by import on every machine. Raises UnknownType for a class that is not decorated."""
    reference = f"{cls.__module__}:{cls.__qualname__}"
    return DeployedType(_name(cls), 0, reference, b"", _hash(reference, b""))


def by_value(cls: type) -> DeployedType:
    """A type whose code travels: that of its own module, not of what it imports. Raises UnknownType as above."""
    name = _name(cls)
    code = dump(cls)
    return DeployedType(name, 0, "", code, _hash("", code))


def _name(cls: type) -> str:
    made = getattr(cls, "__automaton__", None)
    if made is None:
        raise UnknownType(f"{cls!r} is no object type: decorate it with @object_type")
    return str(made.name)


def _hash(reference: str, code: bytes) -> bytes:
    return hashlib.sha256(reference.encode() + b"\x00" + code).digest()


def _find(reference: str) -> object:
    module, _, name = reference.partition(":")
    found: object = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DeployedType)
