"""`ssms upload MODULE`: WebAssembly modules of a store, or of a cluster: taken in, listed, rolled back, removed."""

from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import ssms
from automata.app import App
from automata.sandbox.upload import Upload
from ssms.cli.on_cluster import cluster_app
from ssms.cli.options import Common, takes
from ssms.cli.output import err, out, print_json, print_table, reported
from ssms.cli.signals import interruptible
from ssms.cluster_app import ClusterApp

ModuleArgument = Annotated[
    Path | None, typer.Argument(metavar="MODULE", dir_okay=False, help="What `ssms build` has made, or a core module.")
]
NameOption = Annotated[str, typer.Option("--name", metavar="TEXT", help="Of the upload: else that of the file.")]
UploaderOption = Annotated[str, typer.Option("--uploader", metavar="TEXT", help="Whose quotas it counts towards.")]
LimitOption = Annotated[
    list[str] | None, typer.Option("--limit", metavar="LIMIT=NUMBER", help="A lower bound, as fuel=1000000; repeatable.")
]
ListOption = Annotated[bool, typer.Option("--list", help="Show what was uploaded, and what it has used.")]
RollbackOption = Annotated[bool, typer.Option("--rollback", help="Run an earlier version again: the one before.")]
ToOption = Annotated[int | None, typer.Option("--to", metavar="VERSION", help="With --rollback: which version.")]
RemoveOption = Annotated[bool, typer.Option("--remove", help="Forget it with all its versions. Objects keep state.")]


@takes("store", "cluster", "token", "json")
def upload(
    module: ModuleArgument = None,
    *,
    common: Common,
    name: NameOption = "",
    uploader: UploaderOption = "",
    limit: LimitOption = None,
    list_: ListOption = False,
    rollback: RollbackOption = False,
    to: ToOption = None,
    remove: RemoveOption = False,
) -> None:
    """Take in a WebAssembly module, whose types run in a sandbox beside their data; or change what was taken in.

    The same name again is the next version: objects keep their state, ten versions are kept. It needs the store for
    itself. On a cluster (--address) all hosts run it when this ends; with --token if the cluster has one.

    Example: ssms upload counter.wasm --uploader ann --limit fuel=100000000
    """
    if list_ + rollback + remove > 1 or (to is not None and not rollback):
        raise typer.BadParameter("say one of --list, --rollback [--to VERSION] and --remove")
    if not list_ and not name and module is None:
        raise typer.BadParameter("say which: a file, or --name")
    chosen = name or (module.stem if module is not None else "")
    with reported(common.json):
        if list_:
            _list(common)
        elif remove:
            with _app(common) as app:
                app.run(app.remove_upload(chosen))
            _say(common, {"removed": chosen}, f"removed {chosen}")
        elif rollback:
            with _app(common) as app:
                _show(common, app.run(app.roll_back_upload(chosen, to)))
        else:
            if module is None or not module.is_file():
                raise typer.BadParameter(f"there is no file {module}")
            with _app(common) as app:
                limits = _limits(limit or [])
                _show(common, app.run(app.upload(module, name=chosen, uploader=uploader, limits=limits)))


def _app(common: Common) -> AbstractContextManager[App | ClusterApp]:
    return cluster_app(common) if common.cluster else interruptible(ssms.open(common.store))


def _limits(given: list[str]) -> dict[str, int | float]:
    limits: dict[str, int | float] = {}
    for one in given:
        name, _, text = one.partition("=")
        try:
            limits[name] = float(text) if "." in text else int(text)
        except ValueError:
            raise typer.BadParameter(f"--limit {one}: a limit is given as fuel=1000000") from None
    return limits


def _list(common: Common) -> None:
    with _app(common) as app:
        found = list(app.run(app.uploads()))
    if common.json:
        print_json([asdict(upload) for upload in found])
    elif not found:
        err().print(f"nothing was uploaded to {common.place}")
    else:
        columns = ["upload", "types", "version", "of", "uploader", "bytes", "runs", "fuel", "seconds", "stopped"]
        print_table(common.place, columns, [_row(upload) for upload in found])


def _row(upload: Upload) -> list[str]:
    used, versions = upload.usage, " ".join(map(str, upload.versions))
    counters = [f"{used.runs:,}", f"{used.fuel:,}", f"{used.seconds:.1f}", f"{used.stopped:,}"]
    types = ", ".join(upload.types)
    return [upload.name, types, str(upload.version), versions, upload.uploader, f"{upload.size_bytes:,}", *counters]


def _show(common: Common, upload: Upload) -> None:
    _say(common, asdict(upload), f"{upload.name}, version {upload.version}, runs: {', '.join(upload.types)}")


def _say(common: Common, value: object, text: str) -> None:
    if common.json:
        print_json(value)
    else:
        out().print(text, markup=False, highlight=False)
