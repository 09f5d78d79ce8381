"""`ssms build FILE -o MODULE`: a file of types made a WebAssembly module, to be uploaded."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from automata.sandbox.building import build as build_module
from ssms.cli.options import JsonOption
from ssms.cli.output import out, print_json, reported

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="Python file with the types.")
]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="MODULE", help="Where to write it: else beside FILE."),
]


def build(file: FileArgument, output: OutputOption = None, json: JsonOption = False) -> None:
    """Make the types of a file a sandboxed module: the same classes, run where they can harm nothing.

    The file is all that goes into it, besides the standard library: it imports nothing else. It is run here once, to
    see what it declares. Needs componentize-py: pip install 'durable-automata[guest]'.

    Example: ssms build counter.py -o counter.wasm
    """
    with reported(json):
        target = output or file.with_suffix(".wasm")
        manifest = json_module.loads(build_module(file, target))
        names = [made["name"] for made in manifest["types"]]
    if json:
        print_json({"built": names, "module": str(target), "bytes": target.stat().st_size})
    else:
        size = target.stat().st_size / 1e6
        out().print(f"built {', '.join(names)}: {target} ({size:.0f} MB)", markup=False, highlight=False)
