"""ssms: run automata - embedded in this process now, on a Ray cluster later (SSMS)."""

from automata.app import App
from automata.application import Explanation, Node
from automata.options import Options
from ssms.opening import open  # noqa: A004 - the API's name

__all__ = ["App", "Explanation", "Node", "Options", "open"]
