from collections import Counter

from ssms.demo.graph import Graph, load_graph
from ssms.demo.model import Seen, differences, expected
from ssms.demo.plan import Plan, decode_plan

GRAPH = Graph(["1", "2", "3"], [("1", "2"), ("2", "1"), ("2", "3"), ("3", "2")])


def test_the_graph_is_the_published_one() -> None:
    graph = load_graph()
    assert (len(graph.users), len(graph.follows)) == (4_039, 176_468)
    assert max(len(followers) for followers in graph.followers().values()) == 1_045


def test_a_part_of_the_graph_has_the_follows_among_its_users() -> None:
    part = load_graph(200)
    assert 0 < len(part.users) <= 200
    assert set(part.follows) <= set(load_graph().follows)
    assert {user for pair in part.follows for user in pair} == set(part.users)


def test_a_post_is_expected_by_its_author_and_each_follower_once() -> None:
    plan = Plan("s", "j", posts=4)
    authors = plan.authors(GRAPH.users)
    wanted = expected(GRAPH, plan)
    followers = {"1": {"2"}, "2": {"1", "3"}, "3": {"2"}}
    for user, seen in wanted.items():
        assert seen.followers == len(followers[user])
        assert seen.posts == Counter(
            f"post {n}" for n, author in enumerate(authors) if user == author or user in followers[author]
        )


def test_only_what_differs_is_reported() -> None:
    wanted = {"1": Seen(1, Counter({"post 0": 1, "post 1": 1})), "2": Seen(0, Counter())}
    assert differences(wanted, wanted) == []
    seen = {"1": Seen(2, Counter({"post 1": 2}))}
    assert differences(wanted, seen) == [
        "User/1 has 2 followers instead of 1",
        "User/1: post 0 lost, post 1 doubled or misplaced",
    ]


def test_a_plan_travels_as_text() -> None:
    plan = Plan("s", "j", users_max=7)
    assert decode_plan(plan.encode()) == plan
