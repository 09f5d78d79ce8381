import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ssms.demo.figure import draw
from ssms.demo.report import Kill, Operation, Report, operation

REPORT = Report(
    users=3,
    follows=4,
    posts=4,
    timelines=9,
    operations=[Operation(name, 4, 0.5, 0.1, 20.0) for name in ("Post", "GetTimeline", "Follow")],
    kill=Kill(0.2, 2, 1, 0.01, 0.4),
    acknowledged_at=[0.1, 0.15, 0.45, 0.5],
    differences=["User/1 <differs>"],
    seconds=1.0,
)


def test_percentiles_are_of_the_operations_themselves() -> None:
    found = operation("Post", 2.0, [n / 1000 for n in range(100, 0, -1)])
    assert (found.p50_ms, found.p99_ms, found.per_second) == (50.0, 99.0, 50.0)
    assert operation("Post", 2.0, [0.003]).p99_ms == 3.0


def test_the_figure_is_a_png_with_matplotlib(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    drawn = draw(REPORT, tmp_path / "figure.png")
    assert drawn.read_bytes().startswith(b"\x89PNG")


def test_the_figure_is_an_svg_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    drawn = draw(REPORT, tmp_path / "figure.png")
    assert drawn == tmp_path / "figure.svg"
    texts = [node.text for node in ElementTree.parse(drawn).iter() if node.tag.endswith("text")]
    assert any("SIGKILL" in (text or "") for text in texts)
    assert any("1 DIFFERENCES" in (text or "") for text in texts)
