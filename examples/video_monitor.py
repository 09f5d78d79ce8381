"""A video is watched (SSMS, section 1): frames in, exactly one notification for each defect out, whatever is killed.

python examples/video_monitor.py ./video-data [clip.mp4]      # needs ffmpeg: pip install imageio-ffmpeg
"""

import asyncio
import sys
import tempfile

from clips import HOLD, Frame, frames, judge, spoil

import ssms
from automata import List, apply, automaton, object_type, record, ref, send


@automaton
class Monitor:
    """Watches a stream. Its fields are in memory, and rebuilt from what it has recorded."""

    key: str
    frames: int = 0
    last: Frame = Frame()
    defects: int = 0

    async def frame(self, pixels: bytes) -> None:
        record(judge(pixels, self.last))  # a self-message: logged, and applied at once
        if self.last.lasting == HOLD:
            send(ref(Alerts, self.key).notify(f"{self.last.fault} from frame {self.frames - HOLD} on"))

    @apply
    def seen(self, frame: Frame) -> None:
        self.frames, self.last, self.defects = self.frames + 1, frame, self.defects + (frame.lasting == HOLD)


@object_type
class Alerts:
    """Who is notified: once for each defect."""

    got: List[str]

    async def notify(self, text: str) -> None:
        self.got.append(text)


async def main(path: str, clip: str) -> None:
    """Show the monitor what it has not seen yet, and wait until all notifications have arrived."""
    monitor, alerts = (ref(kind, clip.rpartition("/")[2]) for kind in (Monitor, Alerts))
    async with ssms.open(path) as app:
        seen = (await app.inspect(monitor))["frames"]
        for pixels in frames(clip, seen):
            await monitor.frame(pixels)
        while len(got := (await app.inspect(alerts))["got"]) < (await app.inspect(monitor))["defects"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        print(f"watched from frame {seen} on, notified in all: {got}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        watched = sys.argv[2] if len(sys.argv) > 2 else spoil(None, f"{folder}/spoilt.mp4")
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else f"{folder}/store", watched))
