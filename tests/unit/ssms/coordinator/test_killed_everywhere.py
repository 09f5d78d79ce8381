"""A coordinator killed at each step of each workflow: every operation finishes, and nothing is lost, doubled or leaked."""

from pathlib import Path

import pytest

from tests.unit.ssms.coordinator import scenarios
from tests.unit.ssms.coordinator.lives import Fate, Scenario, play

NODES = ("x", "y", "z")


@pytest.mark.parametrize("scenario", scenarios.ALL, ids=lambda scenario: scenario.__name__)
def test_an_operation_is_finished(scenario: Scenario, tmp_path: Path) -> None:
    play(scenario, tmp_path, *NODES)


@pytest.mark.parametrize("untold", [False, True], ids=["lost", "untold"])
@pytest.mark.parametrize("scenario", scenarios.ALL, ids=lambda scenario: scenario.__name__)
def test_an_operation_is_finished_wherever_the_coordinator_dies(
    scenario: Scenario, untold: bool, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = play(scenario, tmp_path / "whole", *NODES)
    for boundary in range(1, whole.fate.groups + 1):
        folder = tmp_path / str(boundary)
        folder.mkdir()
        try:
            play(scenario, folder, *NODES, fate=Fate(boundary, untold))
        except BaseException as error:
            error.add_note(f"the coordinator died at its group {boundary}, {'untold' if untold else 'lost'}")
            raise
