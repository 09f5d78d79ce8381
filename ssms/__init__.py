"""ssms: run automata - embedded in this process, or on a Ray cluster (SSMS)."""

from automata.app import App
from automata.application import Explanation, Node
from automata.options import Options
from ssms.clusters import local_cluster
from ssms.connecting import connect
from ssms.opening import open  # noqa: A004 - the API's name

__all__ = ["App", "Explanation", "Node", "Options", "connect", "local_cluster", "open"]
