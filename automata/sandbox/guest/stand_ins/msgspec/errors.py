"""What reading raises."""


class MsgspecError(Exception):
    """Whatever is wrong with bytes, or with the values in them."""


class DecodeError(MsgspecError, ValueError):
    """The bytes are damaged."""


class ValidationError(DecodeError):
    """The value is of another type than was asked for, or of one that is not read here."""
