"""What `ssms up` says of a cluster that is asked for."""

import pytest

from ssms.cli.up import Wanted, warning


@pytest.mark.parametrize(("nodes", "replicas", "warned"), [(1, 1, False), (2, 1, True), (2, 2, False)])
def test_one_copy_on_several_nodes_is_warned_of(nodes: int, replicas: int, warned: bool) -> None:
    assert ("loses" in warning(Wanted(nodes=nodes, replicas=replicas))) is warned
