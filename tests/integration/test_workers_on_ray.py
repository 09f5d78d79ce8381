"""Workers on Ray: actors that run methods of types with `compute="worker"`, ask for rows, and may die."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

import ssms
from automata import object_type, ref
from automata.errors import Overloaded, StateError, WorkerDied
from automata.handing_out import ROWS_BYTES
from ssms.deployed import by_reference
from ssms.on_ray.workers import WorkerPlaces
from tests.hands import Hand

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
ROOT = Path(__file__).parents[2]


@object_type(compute="worker", num_gpus=1, name="tests.RayGiant")
class Giant:
    """Something that no machine of this test has room for."""

    async def work(self) -> None:
        pass


@object_type(compute="worker", num_cpus=2, name="tests.RayBoth")
class Both:
    """Something that takes the whole machine."""

    async def work(self) -> int:
        return os.getpid()


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        try:
            yield
        finally:
            ray.shutdown()


def opened(folder: Path, **given: float) -> ssms.App:
    types = tuple(by_reference(cls).encode() for cls in (Hand, Giant, Both))
    places = WorkerPlaces(types=lambda: types, **given)  # type: ignore[arg-type]
    return ssms.open(folder, options=ssms.Options(workers=places.workers))


def test_methods_run_in_an_actor_which_is_used_again_and_ends_with_its_host(tmp_path: Path) -> None:
    with opened(tmp_path) as app:
        first, second = (app.run(ref(Hand, "a").work()) for _ in range(2))
        assert first[0] == second[0] != os.getpid()
        assert (first[1], second[1]) == (1, 2)
        with pytest.raises(StateError, match="as itself"):
            app.run(ref(Hand, "a").fail())


def test_rows_that_a_worker_wants_are_given_to_it(tmp_path: Path) -> None:
    with opened(tmp_path) as app:
        app.run(ref(Hand, "a").note(["x" * 1000] * (2 * ROWS_BYTES // 1000)))
        assert app.run(ref(Hand, "a").read()) == 2 * ROWS_BYTES // 1000 * 1000


def test_a_worker_that_dies_is_a_failed_call_and_another_takes_its_place(tmp_path: Path) -> None:
    with opened(tmp_path) as app:
        with pytest.raises(WorkerDied, match="Hand/a die"):
            app.run(ref(Hand, "a").die())
        assert app.run(ref(Hand, "a").work())[1] == 1


def test_a_worker_that_fits_nowhere_is_an_error_which_says_so(tmp_path: Path) -> None:
    with opened(tmp_path, starting_seconds_max=0.5) as app:
        with pytest.raises(Overloaded, match=r"1 GPUs, and in 0\.5 s no machine had them: none is large enough"):
            app.run(ref(Giant, "a").work())
        with pytest.raises(Overloaded):
            app.run(ref(Giant, "a").work())  # its object was let go


def test_an_idle_worker_makes_room_for_one_that_needs_its_place(tmp_path: Path) -> None:
    with opened(tmp_path) as app:
        small = app.run(ref(Hand, "a").work())[0]
        assert app.run(ref(Both, "b").work()) != small
