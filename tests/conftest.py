"""Hypothesis profiles: how hard each property is tried.

`default` explores anew on each run; `ci` tries the same examples each time, so that a red build is the change's fault;
`sim` is a campaign of SIM_EXAMPLES examples for each property (`make sim`). None has a deadline: no test asserts time.
A test that sets `max_examples` itself takes no part in campaigns: scale `settings().max_examples` instead.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from automata.types import REGISTRY

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)

SIM_EXAMPLES = os.environ.get("SIM_EXAMPLES")
if SIM_EXAMPLES is not None:
    settings.register_profile(
        "sim",
        deadline=None,
        max_examples=int(SIM_EXAMPLES),
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],  # a campaign is meant to be slow
    )

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default" if SIM_EXAMPLES is None else "sim"))


@pytest.fixture(autouse=True)
def application(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An application is the types of one process; here, those of one test's own module. What the test itself
    defines is forgotten after it, also where that has replaced something: a class loaded from its pickled form does.
    """
    own = {
        name: {origin: made for origin, made in named.items() if not _of_another_test(origin[0], request)}
        for name, named in REGISTRY._types.items()
    }
    kept = {name: named for name, named in own.items() if named}
    before = [(made, made.replaced_by, made.current) for named in kept.values() for made in named.values()]
    monkeypatch.setattr(REGISTRY, "_types", kept)
    monkeypatch.setattr(REGISTRY, "newest", {name: list(named.values())[-1] for name, named in kept.items()})
    yield
    for made, replaced_by, current in before:
        resolved = made._fields is not None and replaced_by is None
        made.replaced_by, made.current = replaced_by, current or resolved


def _of_another_test(module: str, request: pytest.FixtureRequest) -> bool:
    return "test_" in module and module != request.module.__name__
