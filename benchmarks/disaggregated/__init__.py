"""Retwis aggregated and disaggregated (LambdaObjects §5): methods beside their data, or that reach it over Ray."""

from benchmarks.disaggregated.measuring import measure

__all__ = ["measure"]
