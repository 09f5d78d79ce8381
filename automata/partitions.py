"""Addresses of objects as names of logical DARQs: type name, NUL, key."""


def partition_of(type_name: str, key: str) -> bytes:
    """The logical DARQ of one object."""
    return b"%b\x00%b" % (type_name.encode(), key.encode())


def address_of(partition: bytes) -> tuple[str, str]:
    """(type name, key) of a partition."""
    type_name, _, key = partition.partition(b"\x00")
    return type_name.decode(), key.decode()
