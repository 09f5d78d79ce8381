"""The fixture for plain test functions."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


def test_a_plain_test_function_gets_an_app_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        textwrap.dedent(
            """
            import asyncio
            from automata import object_type, ref

            @object_type
            class Visits:
                key: str
                count: int = 0

                async def add(self) -> int:
                    self.count += 1
                    return self.count

            def test_first(automata_app):
                assert automata_app.run(ref(Visits, "page").add()) == 1

            def test_second(automata_app):
                assert automata_app.run(ref(Visits, "page").add()) == 1
                automata_app.run(asyncio.sleep(24 * 3600))
                automata_app.advance(24 * 3600)
            """
        )
    )
    result = pytester.runpytest_subprocess("-p", "automata.testing.plugin", "-W", "error")
    result.assert_outcomes(passed=2)


def test_the_documented_tests_pass(pytester: pytest.Pytester) -> None:
    text = (Path(__file__).parents[4] / "docs" / "TESTING.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    pytester.makepyfile(code)
    result = pytester.runpytest_subprocess("-p", "automata.testing.plugin", "-W", "error")
    result.assert_outcomes(passed=2)
