"""How a class travels to a cluster: by the name of its module where hosts have that, else by value with its code."""

from __future__ import annotations

from ssms.deployed import DeployedType, by_reference, by_value
from ssms.installed_modules import is_installed


def pack(cls: type) -> DeployedType:
    """The class as it is deployed. Raises UnknownType for a class that is not decorated.

    What is installed (in site-packages) is expected on every machine under its name; scripts, notebooks and modules of
    a project of one's own travel by value.
    """
    return by_reference(cls) if is_installed(cls.__module__) else by_value(cls)
