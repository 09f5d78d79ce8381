"""Whom sandboxed code may call, and with what: public methods of all types, private ones of its own module alone."""

from __future__ import annotations

from typing import cast

import msgspec

from automata.calls import Call
from automata.errors import InvalidArgument, NotPublic, UnknownType
from automata.methods import Method
from automata.refs import check_key
from automata.sandbox.dispatch import Dispatch
from automata.sandbox.plain import check_typed, decode_plain
from automata.types import AutomatonType, Registry
from automata.values.dynamic import encode_dynamic
from automata.work import Outcome

KEY_CHARACTERS_MAX = 512
_SECONDS_MAX = 1e9
_split = msgspec.msgpack.Decoder(list[bytes]).decode


def split_arguments(arguments: bytes) -> list[bytes]:
    """Arguments in the encoding of a method of their own module, one by one. Raises InvalidArgument."""
    try:
        return _split(arguments)
    except msgspec.MsgspecError as error:
        raise InvalidArgument(f"sandboxed code gave damaged arguments: {error}") from None


class Targets:
    """The types that the code of one module can call. application: what its own types belong to."""

    def __init__(self, registry: Registry, application: str) -> None:
        self._registry = registry
        self._application = application

    def call_of(self, dispatch: Dispatch) -> Call:
        """The call that sandboxed code asks for. Raises InvalidArgument, NotPublic, UnknownType, UnknownMethod."""
        made, method = self._method(dispatch)
        check_key(dispatch.key)
        args, kwargs = self._arguments(dispatch, method)
        call = Call(made.ref_class(made.name, dispatch.key), method, args, kwargs)
        if dispatch.request is not None:
            if not 0 < len(dispatch.request.encode(errors="replace")) <= KEY_CHARACTERS_MAX or method.readonly:
                raise InvalidArgument("an idempotency key has 1 to 512 bytes of UTF-8, and is for methods that write")
            call.request = dispatch.request
        if dispatch.timeout is not None:
            if not 0 < dispatch.timeout < _SECONDS_MAX:
                raise InvalidArgument("a timeout is a positive number of seconds")
            call.timeout = dispatch.timeout
        return call

    def encode_outcome(self, dispatch: Dispatch, outcome: Outcome) -> bytes:
        """The result of a call, as its caller can read it. Raises InvalidArgument if that cannot be."""
        _, method = self._method(dispatch)
        return method.result.encode(outcome.value) if dispatch.own else encode_dynamic(outcome.value)

    def _method(self, dispatch: Dispatch) -> tuple[AutomatonType, Method]:
        made = self._registry.find(dispatch.type_name)
        if made is None:
            raise UnknownType(f"no type {dispatch.type_name!r} is known here")
        own = made.application == self._application
        if dispatch.own and not own:
            raise UnknownType(f"{dispatch.type_name} is no type of this module any more")
        method = made.method(dispatch.method)
        if method.private and not own:
            raise NotPublic(
                f"{made.name}.{method.name} is private (leading underscore): only methods of its own application may "
                "invoke it"
            )
        return made, method

    def _arguments(self, dispatch: Dispatch, method: Method) -> tuple[tuple[object, ...], dict[str, object]]:
        if dispatch.own:
            given = split_arguments(dispatch.arguments)
            for at, encoded in enumerate(given):
                kind = method.parameters[at].kind if at < len(method.parameters) else None
                check_typed(None if kind is None else kind.annotation, encoded)
            try:
                return method.unpack(method.decode_arguments(dispatch.arguments)), {}
            except (ValueError, msgspec.MsgspecError) as error:
                raise InvalidArgument(f"sandboxed code gave damaged arguments: {error}") from None
        plain = decode_plain(dispatch.arguments)
        if isinstance(plain, list) and len(plain) == 2 and isinstance(plain[0], list) and isinstance(plain[1], dict):
            args, kwargs = plain
            if all(isinstance(name, str) for name in kwargs):
                return tuple(args), cast("dict[str, object]", kwargs)
        raise InvalidArgument("sandboxed code gave arguments that are no list and dictionary")
