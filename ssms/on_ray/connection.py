"""Connecting this process to a Ray cluster: as a driver, once."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from ray._common.utils import get_ray_address_file
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray._private.services import canonicalize_bootstrap_address

from automata.errors import InvalidArgument
from ssms.on_ray.failure_detection import notice_deaths_soon
from ssms.on_ray.names import NAMESPACE

KNOCK_SECONDS = 3.0
"""How long a machine may take to accept a connection."""


def attach(address: str = "auto", working_folder: str = "") -> None:
    """Connect to the Ray cluster at this address; "auto": the one that this job or machine runs in.

    working_folder: Ray lets actors of this process import from the folder it is in; from this one, if it is given.
    Does nothing if this process is connected to it already. Raises InvalidArgument if it is connected to another, or
    if there is none.
    """
    if ray.is_initialized():
        here = ray.get_runtime_context().gcs_address
        if address not in ("auto", here):
            raise InvalidArgument(f"this process is connected to the Ray cluster at {here}, not {address}")
        return
    notice_deaths_soon()
    if working_folder:
        os.chdir(working_folder)
    with _errors_alone():
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)  # ray.init() does so for "auto" alone
        try:
            _knock(address)
            ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise InvalidArgument(
                f"no Ray cluster is to be had at {address!r} (`ssms up` starts one, with a cluster of ours on it): "
                f"{error}"
            ) from error


def detach(address: str) -> None:
    """Let go of the Ray cluster at this address, if this process is connected to it."""
    if ray.is_initialized() and ray.get_runtime_context().gcs_address == address:
        ray.shutdown()


def publish(address: str) -> None:
    """Note a cluster of this machine where Ray's programs look for "auto", as `ray start` does."""
    file = Path(get_ray_address_file(None))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(address)


def withdraw(address: str) -> None:
    """Take the note away, unless it names another cluster by now."""
    file = Path(get_ray_address_file(None))
    if file.exists() and file.read_text() == address:
        file.unlink()


def _knock(address: str) -> None:
    """Raise OSError unless somebody listens at an address: Ray itself looks for minutes, and says so many times."""
    found = None if "://" in address else canonicalize_bootstrap_address(address)
    if found is None:
        return
    host, _, port = found.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()
    except OSError as error:
        raise ConnectionError(f"nobody listens at {found}: {error}") from error


@contextmanager
def _errors_alone() -> Iterator[None]:
    """Keep from users what Ray says to each program that connects, as that it has found a token."""
    logger = logging.getLogger("ray")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
