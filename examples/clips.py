"""Clips with known defects, their frames and what is wrong with each: black from 30 to 41, frozen from 60 to 71.

python examples/clips.py spoilt.mp4 [clip.mp4]      # spoils a clip, or makes one; pip install imageio-ffmpeg
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from imageio_ffmpeg import get_ffmpeg_exe

FFMPEG = [get_ffmpeg_exe(), "-v", "error", "-y"]
SPOIL = "drawbox=color=black:t=fill:enable='between(n,30,41)',loop=loop=12:size=1:start=60"
WIDTH, HEIGHT = 64, 36
HOLD = 3  # so many bad frames make a defect: a clip whose rate was converted holds single ones twice


class Frame(NamedTuple):
    """A small gray picture, what is wrong with it, and for how many frames already."""

    pixels: bytes = b""
    fault: str = ""
    lasting: int = 0


def spoil(clip: str | None, path: str) -> str:
    """Write a spoilt clip to `path`. clip: a file to be spoilt, by default ten moving seconds that ffmpeg makes."""
    source = ["-i", clip] if clip else ["-f", "lavfi", "-i", "testsrc2=duration=10:rate=10:size=320x180"]
    subprocess.run([*FFMPEG, *source, "-vf", SPOIL, "-pix_fmt", "yuv420p", path], check=True)
    return path


def frames(clip: str, first: int = 0) -> Iterator[bytes]:
    """The frames of a clip in order, from number `first` on, each WIDTH * HEIGHT bytes of gray."""
    raw = ["-vf", f"scale={WIDTH}:{HEIGHT}", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
    with subprocess.Popen([*FFMPEG, "-i", clip, *raw], stdout=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdout is not None
        ffmpeg.stdout.read(WIDTH * HEIGHT * first)
        while pixels := ffmpeg.stdout.read(WIDTH * HEIGHT):
            yield pixels


def judge(pixels: bytes, before: Frame) -> Frame:
    """A frame and what is wrong with it: it is as good as black, or as good as the one before it, or nothing is."""
    changed = sum(abs(new - old) for new, old in zip(pixels, before.pixels, strict=False))
    frozen = "frozen" if changed < 0.12 * len(before.pixels) else ""
    fault = "black" if sum(pixels) < 16 * len(pixels) else frozen
    return Frame(pixels, fault, (before.lasting + 1 if fault == before.fault else 1) if fault else 0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        target = sys.argv[1] if len(sys.argv) > 1 else str(Path(folder) / "spoilt.mp4")
        count = sum(1 for _ in frames(spoil(sys.argv[2] if len(sys.argv) > 2 else None, target)))
        print(f"{target}: {count} frames, of which 30 to 41 are black, and 60 to 71 frozen")
