"""Schemas, which nobody makes in a guest."""
