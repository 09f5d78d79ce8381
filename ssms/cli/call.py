"""`ssms call TYPE/KEY METHOD ARGS...`: invoke one method."""

from contextlib import AbstractContextManager, ExitStack, closing
from typing import Annotated

import typer
from rich.pretty import pretty_repr

import ssms
from automata.application import Application
from automata.errors import AutomataError
from automata.invocation import Invocation, send
from automata.invocation import call as with_options
from automata.types import REGISTRY
from darq.folder import MODULES
from ssms.cli.address import Address
from ssms.cli.app_file import load_types
from ssms.cli.arguments import arguments_for
from ssms.cli.on_cluster import cluster_app
from ssms.cli.options import AddressArgument, Common, takes
from ssms.cli.output import fail, out, print_json, reported
from ssms.cli.signals import interruptible
from ssms.cluster_app import ClusterApp

MethodArgument = Annotated[str, typer.Argument(metavar="METHOD", help="One of its public methods.")]
ArgsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="ARGS...", help="JSON each, or a bare word; a Ref is written TYPE/KEY.")
]
NoWaitOption = Annotated[bool, typer.Option("--no-wait", help="Store it as a message; print its id, not its result.")]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", metavar="IDEMPOTENCY_KEY", help="The same key gives the recorded result, and no second run."),
]


@takes("store", "app", "cluster", "token", "json")
def call(
    address: AddressArgument,
    method: MethodArgument,
    args: ArgsArgument = None,
    *,
    common: Common,
    no_wait: NoWaitOption = False,
    key: KeyOption = None,
) -> None:
    """Invoke a method of an object and print its result. It needs the store for itself, or a cluster.

    It needs --app too, but for types that were uploaded.

    Example: ssms call Account/alice pay Account/bob 30 --app examples/bank.py --key payment-17
    """
    if no_wait and key is not None:
        raise typer.BadParameter("a message is delivered exactly once by itself: --no-wait takes no --key")
    with reported(common.json, common.app):
        load_types(common.app)
        app: AbstractContextManager[Application] = (
            cluster_app(common) if common.cluster else interruptible(ssms.open(common.store))
        )
        here = REGISTRY.find(address.type_name) is not None or not _has_uploads(common)
        with ExitStack() as stack:  # what is known here is refused before the store is touched
            early = stack.enter_context(closing(invocation_of(address, method, args or []))) if here else None
            opened = stack.enter_context(app)
            if isinstance(opened, ClusterApp) and not here:
                opened.run(opened.types())
            invocation = early or stack.enter_context(closing(invocation_of(address, method, args or [])))
            result = _post(opened, invocation) if no_wait else _call(opened, invocation, key, common.json)
    if common.json:
        print_json({"message": result} if no_wait else {"result": result})
    else:
        out().print(result if isinstance(result, str) else pretty_repr(result), markup=False, soft_wrap=True)


def _has_uploads(common: Common) -> bool:
    """Whether there may be types that were uploaded, and so are known only while the app is open."""
    return bool(common.cluster) or (common.store / MODULES).is_dir()


def invocation_of(address: Address, method_name: str, texts: list[str]) -> Invocation:
    """The call that the words on the command line ask for. Raises what the call would."""
    made = REGISTRY.get(address.type_name)
    method = made.method(method_name)
    invoke = getattr(made.ref_class(made.name, address.key), method_name)
    arguments = arguments_for(method, texts)
    method.pack(tuple(arguments), {})
    invocation: Invocation = invoke(*arguments)
    return invocation


def _call(opened: Application, invocation: Invocation, key: str | None, as_json: bool) -> object:
    try:
        return opened.run(with_options(invocation, idempotency_key=key))
    except AutomataError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the method raised is its answer
        return fail(type(error).__name__, str(error), as_json)


def _post(opened: Application, invocation: Invocation) -> str:
    return opened.run(send(invocation))
