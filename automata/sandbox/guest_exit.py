"""How the check of a guest ends, where its author is at fault."""

FAULTY = 3
"""The exit code; what is wrong is on standard error."""
