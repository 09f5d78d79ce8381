import pytest
import typer

from ssms.cli.address import Address, parse_address


def test_an_address_splits_at_the_first_slash() -> None:
    assert parse_address("User/a/b") == Address("User", "a/b")
    assert str(parse_address("User/a/b")) == "User/a/b"


@pytest.mark.parametrize("text", ["", "User", "User/", "/alice", "User/" + "x" * 513])
def test_anything_else_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_address(text)
