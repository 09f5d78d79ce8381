"""stub"""


def demo() -> None:
    """demo"""
