"""What clusters can be asked for, and what their processes are told of it."""

from __future__ import annotations

import pytest

import ssms
from automata.errors import InvalidArgument
from ssms.cluster_order import ClusterOrder
from ssms.on_ray.installing import plan_of


def test_no_store_is_held_by_more_copies_than_it_has() -> None:
    with pytest.raises(InvalidArgument, match="2 copies is ever held by 3"):
        ssms.local_cluster(nodes=3, replicas=2, min_in_sync=3)
    ClusterOrder(nodes=3, replicas=2, min_in_sync=2).check()


@pytest.mark.parametrize("what", ["nodes", "replicas", "hosts_per_node", "min_in_sync"])
def test_nothing_is_less_than_one(what: str) -> None:
    with pytest.raises(InvalidArgument, match="at least one"):
        ClusterOrder(**{what: 0}).check()


def test_all_that_was_asked_for_is_planned() -> None:
    order = ClusterOrder(nodes=3, replicas=3, hosts_per_node=2, catalog="c", token="t", auto_join=False, min_in_sync=2)
    plan = plan_of(order, "/data", (("NAME", "value"),))
    assert (plan.root, plan.replicas, plan.hosts_per_node, plan.catalog) == ("/data", 3, 2, "c")
    assert (plan.token, plan.environment, plan.auto_join, plan.min_in_sync) == ("t", (("NAME", "value"),), False, 2)
