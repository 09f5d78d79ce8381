"""The `ssms` command: one file a command, which reads its arguments, asks the library and prints."""

from ssms.cli.command import main

__all__ = ["main"]
