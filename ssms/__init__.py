"""ssms: run automata - embedded in this process now, on a Ray cluster later (SSMS)."""

from ssms.app import App, Explanation, Node, open

__all__ = ["App", "Explanation", "Node", "open"]
