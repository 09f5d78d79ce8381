"""Every error a user of `automata` can meet. Each docstring says whose fault it is and what to do next.

All of them share the base `AutomataError`, so `except AutomataError` separates refusals of this library from the
exceptions that an application raises itself (which reach their caller as they are).
"""

from __future__ import annotations

from darq.errors import AutomataError, InvalidArgument, OutcomeUnknown, Overloaded, StorageFull

__all__ = [
    "AutomataError",
    "CallTimeout",
    "DeclarationError",
    "Expired",
    "GuestTrapped",
    "Interrupted",
    "InvalidArgument",
    "LimitExceeded",
    "ModuleRefused",
    "NotPublic",
    "OutcomeUnknown",
    "Overloaded",
    "ReadOnlyError",
    "RemoteError",
    "StateError",
    "StorageFull",
    "TransactionConflict",
    "UnjournaledAwait",
    "UnknownMethod",
    "UnknownType",
    "WorkerDied",
]


class DeclarationError(AutomataError, TypeError):
    """A type is declared in a way that cannot be stored or told apart.

    The author of the class is at fault: change the annotation as the message says. Nothing was stored.
    """


class NotPublic(AutomataError, AttributeError):
    """The name exists on the type, but is not invocable from here (a field, a local helper, a leading underscore).

    The caller is at fault: invoke a public `async def` method, or add one to the type that does what you need.
    """


class UnknownMethod(AutomataError, AttributeError):
    """The type has no method of this name.

    The caller is at fault, or runs newer code than the target: check the spelling, else deploy the target's type.
    """


class UnknownType(AutomataError):
    """No type of this name is defined, deployed or uploaded where the call arrived.

    The caller or the operator is at fault: check the name, import the module that defines it, or deploy it.
    """


class ReadOnlyError(AutomataError):
    """A `@readonly` method tried to write, to send, or to await something that is not readonly.

    The author of the method is at fault: drop `@readonly`, or move the writing part to another method.
    """


class StateError(AutomataError):
    """State was used in a way that could not survive: an undeclared attribute, a value read before a commit point
    and changed after it, volatile state changed outside `@apply`, or stored state that no longer fits its class.

    The author of the class is at fault: the message names the attribute and what to do instead.
    """


class TransactionConflict(AutomataError):
    """A transaction met objects that other methods held, again and again, and was undone each time.

    Nobody's fault: call again a little later. If it happens often, let methods hold the objects for a shorter time:
    do outside work through `effect(...)`, which holds nothing.
    """


class UnjournaledAwait(AutomataError):
    """A method awaited something foreign (network, `asyncio.sleep`) and then reached a commit point.

    The author of the method is at fault: a resumed run could not repeat that await. Wrap it in
    `effect(...)`, or use `sleep(...)`.
    """


class RemoteError(AutomataError):
    """The target raised an exception that cannot be rebuilt here.

    The fault lies in the target's code, or in what it was given: read `remote_traceback`. Import the exception's
    class in the caller, and keep its `args` and attributes plain, to receive the exception itself.

    `type_name` is the qualified name of the original class and `message` its text.
    """

    def __init__(self, type_name: str, message: str, remote_traceback: str = "") -> None:
        super().__init__(type_name, message, remote_traceback)
        self.type_name = type_name
        self.message = message
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        headline = f"{self.type_name}: {self.message}"
        if not self.remote_traceback:
            return headline
        return f"{headline}\n\nRemote traceback:\n{self.remote_traceback.rstrip()}"


class CallTimeout(AutomataError, TimeoutError):
    """The call did not answer within its `timeout`; it may still run, or have run.

    Nobody need be at fault. Call again under the same idempotency key to learn the outcome without a second run.
    """


class Expired(AutomataError):
    """The request is older than the window in which its result is kept, so it was not executed again.

    The caller retried too late: read the object's state to learn what happened, and send a new request if needed.
    """


class WorkerDied(AutomataError):
    """The process that ran a method of a type with `compute="worker"` has ended before the method did.

    Most likely the method ended it (a crash in a library, too little memory) or its machine was lost. Nothing of the
    method happened, and nothing is recorded of it: call again if it is worth another try. A message is tried again.
    """


class Interrupted(AutomataError):
    """The invocation was stopped before it finished: by an operator, or because its journal does not fit its code.

    The operator decides: `app.interrupted()` lists such invocations and says where each of them stands.
    """


class ModuleRefused(AutomataError):
    """A WebAssembly module cannot be uploaded: it is damaged, too large, asks for what a sandbox does not give, or says
    of itself what is not so.

    Its author is at fault: the message says what is wrong. Nothing was stored, and what was uploaded before stays.
    """


class GuestTrapped(AutomataError):
    """Sandboxed code stopped in a way that gives no result: it trapped, or broke the interface.

    The author of the uploaded module is at fault. Nothing of the method happened.
    """


class LimitExceeded(AutomataError):
    """Sandboxed code used more than it may: `limit` names the field of `automata.sandbox.limits.SandboxLimits`.

    The author of the uploaded module is at fault, or whoever set its limits. Nothing of the method happened.
    """

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(limit, message)
        self.limit = limit
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} (limit: {self.limit})"
