"""ssms: run automata - embedded in this process now, on a Ray cluster later (SSMS)."""

from ssms.app import App, Explanation, Node, open  # noqa: A004 - the API's name

__all__ = ["App", "Explanation", "Node", "open"]
