"""`ssms upload MODULE`: WebAssembly modules of a store, or of a cluster: taken in, listed, rolled back, removed."""

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

import ssms
from automata.app import App
from automata.sandbox.stored_uploads import stored_uploads
from automata.sandbox.upload import Upload
from automata.sandbox.usage import Usage
from ssms.cli.on_cluster import cluster_app
from ssms.cli.options import Common, takes, takes_from
from ssms.cli.output import err, out, print_json, print_table, reported
from ssms.cli.reading import holder_of, reading
from ssms.cli.signals import interruptible
from ssms.cluster_app import ClusterApp

ModuleArgument = Annotated[
    Path | None, typer.Argument(metavar="MODULE", dir_okay=False, help="What `ssms build` has made, or a core module.")
]
NameOption = Annotated[str, typer.Option("--name", metavar="TEXT", help="Of the upload: else that of the file.")]
UploaderOption = Annotated[str, typer.Option("--uploader", metavar="TEXT", help="Whose quotas it counts towards.")]
LimitOption = Annotated[
    list[str] | None,
    typer.Option("--limit", metavar="LIMIT=NUMBER", help="A lower bound, as fuel=1000000; may be repeated."),
]
ListOption = Annotated[bool, typer.Option("--list", help="Show what was uploaded, and what it has used.")]
RollbackOption = Annotated[bool, typer.Option("--rollback", help="Run an earlier version again: the one before.")]
ToOption = Annotated[int | None, typer.Option("--to", metavar="VERSION", help="With --rollback: which version.")]
RemoveOption = Annotated[bool, typer.Option("--remove", help="Forget it with all its versions. Objects keep state.")]


@dataclass(frozen=True)
class Wanted:
    """What is to be done, and with what. to: a version; limit: those that were given, as text."""

    name: NameOption = ""
    uploader: UploaderOption = ""
    limit: LimitOption = None
    list: ListOption = False
    rollback: RollbackOption = False
    to: ToOption = None
    remove: RemoveOption = False

    def check(self, module: Path | None) -> None:
        """Raise BadParameter for what makes no sense together."""
        if self.list + self.rollback + self.remove > 1 or (self.to is not None and not self.rollback):
            raise typer.BadParameter("say one of --list, --rollback [--to VERSION] and --remove")
        if not self.list and not self.name and module is None:
            raise typer.BadParameter("say which: a file, or --name")
        if not (self.list or self.rollback or self.remove) and (module is None or not module.is_file()):
            raise typer.BadParameter(f"there is no file {module}")

    @property
    def limits(self) -> dict[str, int | float]:
        """The limits by name."""
        given = [one.partition("=") for one in self.limit or ()]
        try:
            return {name: _number(text) for name, _, text in given}
        except ValueError as error:
            raise typer.BadParameter(f"a limit is given as fuel=1000000: {error}") from None


def _number(text: str) -> int | float:
    """A whole number however it is written: 1000000, 1e6. Raises ValueError for what is no number."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return int(number) if number.is_integer() else number


@takes("store", "cluster", "token", "json")
@takes_from(Wanted, "wanted", "name", "uploader", "limit", "list", "rollback", "to", "remove")
def upload(module: ModuleArgument = None, *, wanted: Wanted, common: Common) -> None:
    """Take in a WebAssembly module, whose types run in a sandbox beside their data; or change what was taken in.

    The same name again is the next version: objects keep their state, ten versions are kept. It needs the store for
    itself, but for --list, which tells what its holder has written last. On a cluster (--address) all hosts run it
    when this ends; with --token if the cluster has one.

    Example: ssms upload counter.wasm --uploader ann --limit fuel=100000000
    """
    wanted.check(module)
    with reported(common.json):
        if wanted.list and not common.cluster and holder_of(common.store) is not None:
            with reading(common.store) as reader:
                _list(common, stored_uploads(reader.store))
        else:
            _do(module, wanted, common)


def _do(module: Path | None, wanted: Wanted, common: Common) -> None:
    limits, name = wanted.limits, wanted.name or (module.stem if module is not None else "")
    with _app(common) as app:
        if wanted.list:
            _list(common, list(app.run(app.uploads())))
        elif wanted.remove:
            app.run(app.remove_upload(name))
            _say(common, {"removed": name}, f"removed {name}")
        elif wanted.rollback:
            _show(common, app.run(app.roll_back_upload(name, wanted.to)))
        elif module is not None:
            _show(common, app.run(app.upload(module, name=name, uploader=wanted.uploader, limits=limits)))


def _app(common: Common) -> AbstractContextManager[App | ClusterApp]:
    return cluster_app(common) if common.cluster else interruptible(ssms.open(common.store))


def _list(common: Common, found: list[Upload]) -> None:
    if common.json:
        print_json([asdict(upload) for upload in found])
    elif not found:
        err().print(f"nothing was uploaded to {common.place}")
    else:
        columns = ["upload", "types", "version", "of", "uploader", "bytes"]
        print_table(common.place, columns + _COUNTERS, [_row(upload) for upload in found])
        uploaders = {upload.uploader: upload.of_uploader for upload in found}
        print_table(
            "uploaders", ["uploader", *_COUNTERS], [[name, *_counters(used)] for name, used in uploaders.items()]
        )


def _row(upload: Upload) -> list[str]:
    types = [", ".join(upload.types)] if upload.types else []
    types += [f"cannot be run: {upload.trouble}"] if upload.trouble else []
    told = [upload.name, "; ".join(types), str(upload.version), " ".join(map(str, upload.versions)), upload.uploader]
    return [*told, f"{upload.size_bytes:,}", *_counters(upload.usage)]


_COUNTERS = ["runs", "fuel", "seconds", "read", "written", "sent", "stopped"]


def _counters(used: Usage) -> list[str]:
    bytes_used = [f"{used.read_bytes:,}", f"{used.written_bytes:,}"]
    return [
        f"{used.runs:,}",
        f"{used.fuel:,}",
        f"{used.seconds:.1f}",
        *bytes_used,
        f"{used.sends:,}",
        f"{used.stopped:,}",
    ]


def _show(common: Common, upload: Upload) -> None:
    what = f"; cannot be run: {upload.trouble}" if upload.trouble else ""
    _say(common, asdict(upload), f"{upload.name}, version {upload.version}, runs: {', '.join(upload.types)}{what}")


def _say(common: Common, value: object, text: str) -> None:
    if common.json:
        print_json(value)
    else:
        out().print(text, markup=False, highlight=False)
