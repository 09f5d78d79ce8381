"""Errors, and the mark for what has no default."""


class PydanticCustomError(ValueError):
    """Raised by validators of others."""


class PydanticSerializationError(ValueError):
    """Raised by serializers."""


PydanticUndefined = object()
"""There is no default."""
