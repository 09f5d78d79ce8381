"""Workers that are this process: for tests, which have one thread and virtual time, and where nothing else is given.

The task and what comes of it go through bytes as they would between processes; only a crash is everybody's.
"""

from __future__ import annotations

from automata.worker import Done, Source, Task, decode_answer, decode_task, encode
from automata.worker_turn import Surroundings, run_task


class InlineWorkers:
    """Runs each task on the loop that asks."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    async def run(self, task: Task, source: Source) -> Done:
        """Run it here and now."""
        answer = decode_answer(encode(await run_task(decode_task(encode(task)), source, self._surroundings)))
        assert isinstance(answer, Done), "a task ends with what was done"
        return answer

    async def close(self) -> None:
        """There is nothing to end."""
