import tomllib
from pathlib import Path

import ssms.__main__
import ssms.cli

ROOT = Path(__file__).parents[3]


def test_the_script_and_the_module_are_the_same_command() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"ssms": "ssms.cli:main"}
    assert ssms.__main__.main is ssms.cli.main
