"""A coordinator killed at the steps of each workflow: every operation finishes, and nothing is lost, doubled or leaked.

A few boundaries of each operation by default, others each time; a campaign (`make sim`) tries all of them.
"""

import os
import random
from pathlib import Path

import pytest

from tests.unit.ssms.coordinator import scenarios
from tests.unit.ssms.coordinator.lives import Fate, Scenario, play

NODES = ("x", "y", "z")
EVERYWHERE = "SIM_EXAMPLES" in os.environ
TRIED = 4


@pytest.mark.parametrize("scenario", scenarios.ALL, ids=lambda scenario: scenario.__name__)
def test_an_operation_is_finished_wherever_the_coordinator_dies(scenario: Scenario, tmp_path: Path) -> None:
    whole = play(scenario, tmp_path, *NODES)
    deaths = [(boundary, untold) for boundary in range(1, whole.fate.groups + 1) for untold in (False, True)]
    for boundary, untold in deaths if EVERYWHERE else random.sample(deaths, TRIED):
        folder = tmp_path / f"{boundary}-{untold}"
        folder.mkdir()
        try:
            play(scenario, folder, *NODES, fate=Fate(boundary, untold))
        except BaseException as error:
            error.add_note(f"the coordinator died at its group {boundary}, {'untold' if untold else 'lost'}")
            raise
