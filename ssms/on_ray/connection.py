"""Connecting this process to a Ray cluster: as a driver, once."""

from __future__ import annotations

import ray

from automata.errors import InvalidArgument
from ssms.on_ray.failure_detection import notice_deaths_soon
from ssms.on_ray.names import NAMESPACE


def attach(address: str = "auto") -> None:
    """Connect to the Ray cluster at this address; "auto": the one that this job or machine runs in.

    Does nothing if this process is connected to it already. Raises InvalidArgument if it is connected to another, or
    if there is none.
    """
    if ray.is_initialized():
        here = ray.get_runtime_context().gcs_address
        if address not in ("auto", here):
            raise InvalidArgument(f"this process is connected to the Ray cluster at {here}, not {address}")
        return
    notice_deaths_soon()
    try:
        ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InvalidArgument(f"no Ray cluster is to be had at {address!r}: {error}") from error


def detach(address: str) -> None:
    """Let go of the Ray cluster at this address, if this process is connected to it."""
    if ray.is_initialized() and ray.get_runtime_context().gcs_address == address:
        ray.shutdown()
