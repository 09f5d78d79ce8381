import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(example: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(example), *arguments],
        env={"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.process
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_in_a_temporary_folder(example: Path) -> None:
    assert run(example)


@pytest.mark.process
def test_the_counter_goes_on_where_it_was(tmp_path: Path) -> None:
    counter = ROOT / "examples" / "counter.py"
    assert run(counter, str(tmp_path)) == "visits: 0 -> 100\n"
    assert run(counter, str(tmp_path)) == "visits: 100 -> 200\n"


@pytest.mark.process
def test_the_bank_keeps_the_sum_and_takes_the_salary_once(tmp_path: Path) -> None:
    bank = ROOT / "examples" / "bank.py"
    assert run(bank, str(tmp_path)).endswith("alice 70, bob 30\n")
    assert run(bank, str(tmp_path)).endswith("alice 40, bob 60\n")


@pytest.mark.process
def test_retwis_delivers_a_post(tmp_path: Path) -> None:
    assert "reads ['0: hello']" in run(ROOT / "examples" / "retwis.py", str(tmp_path))
