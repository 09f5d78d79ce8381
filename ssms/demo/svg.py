"""The same figure written by hand, for where there is no matplotlib."""

import math
from collections.abc import Mapping
from html import escape

from ssms.demo.report import Report, title_of

_WIDTH, _HEIGHT = 1000, 640
_KILL = "#c44e52"


class _Panel:
    """A box with a title, and where its marks go. x, y: of its upper left corner, in pixels."""

    def __init__(self, title: str, x: float, y: float, width: float, height: float) -> None:
        self.x, self.y, self.width, self.height = x, y, width, height
        self.marks = [
            _text(x, y - 10, title, 15, weight="bold"),
            f'<line x1="{x}" y1="{y + height}" x2="{x + width}" y2="{y + height}" stroke="#333"/>',
        ]

    def bar(self, left: float, width: float, share: float, colour: str) -> float:
        """A bar of `share` of the panel's height; left and width are shares of its width. Returns its upper end."""
        tall = max(0.0, share) * self.height
        top = self.y + self.height - tall
        self.marks.append(
            f'<rect x="{self.x + left * self.width:.1f}" y="{top:.1f}" width="{max(0.5, width * self.width):.1f}" '
            f'height="{tall:.1f}" fill="{colour}"/>'
        )
        return top


def svg_of(report: Report, colours: Mapping[str, str]) -> str:
    """The figure as text. colours: by operation."""
    panels = [_kill(report, colours["Post"]), _throughput(report, colours), _latency(report, colours)]
    body = "\n".join([*_title(report), *(mark for panel in panels for mark in panel.marks)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _title(report: Report) -> list[str]:
    return [_text(60, 28 + 20 * n, line, 15, weight="bold") for n, line in enumerate(title_of(report).splitlines())]


def _kill(report: Report, colour: str) -> _Panel:
    panel = _Panel("Posts acknowledged, over time", 60, 90, 900, 190)
    end = report.acknowledged_at[-1]
    line = "".join(
        f"H{60 + 900 * at / end:.1f}V{280 - 190 * count / report.posts:.1f}"
        for count, at in enumerate(report.acknowledged_at, 1)
    )
    panel.marks.append(f'<path d="M60 280{line}V280Z" fill="{colour}" fill-opacity="0.3" stroke="{colour}"/>')
    kill = report.kill
    at, back = 60 + 900 * kill.killed_at / end, 60 + 900 * kill.back_at / end
    panel.marks += [
        f'<rect x="{at:.1f}" y="90" width="{back - at:.1f}" height="190" fill="{_KILL}" opacity="0.2"/>',
        f'<line x1="{at:.1f}" y1="90" x2="{at:.1f}" y2="280" stroke="{_KILL}" stroke-width="2"/>',
        _text(
            at + 6,
            272,
            f"SIGKILL with {kill.in_flight} posts in flight; answering after {kill.back_at - kill.killed_at:.2f} s",
            13,
            colour=_KILL,
        ),
        _text(60, 300, f"0 to {end:.1f} s since the first post; {report.posts:,} posts", 12),
    ]
    return panel


def _throughput(report: Report, colours: Mapping[str, str]) -> _Panel:
    panel = _Panel("Throughput (operations/s, logarithmic)", 60, 370, 420, 200)
    rates = [operation.per_second for operation in report.operations]
    for n, (operation, share) in enumerate(zip(report.operations, _shares(rates), strict=True)):
        top = panel.bar(n / 3 + 0.06, 0.2, share, colours[operation.name])
        _label(panel, n, top, [f"{operation.per_second:,.0f}"], operation.name)
    return panel


def _latency(report: Report, colours: Mapping[str, str]) -> _Panel:
    panel = _Panel("Latency (logarithmic): bars p50, lines p99", 540, 370, 420, 200)
    shares = _shares([ms for o in report.operations for ms in (o.p50_ms, o.p99_ms)])
    for n, operation in enumerate(report.operations):
        top = panel.bar(n / 3 + 0.06, 0.2, shares[2 * n], colours[operation.name])
        high = panel.y + panel.height * (1 - shares[2 * n + 1])
        x = panel.x + panel.width * (n / 3 + 0.16)
        panel.marks.append(_whisker(x, top, high))
        _label(panel, n, high, [f"p50 {operation.p50_ms:.3g} ms", f"p99 {operation.p99_ms:.3g} ms"], operation.name)
    return panel


def _whisker(x: float, low: float, high: float) -> str:
    return f'<path d="M{x:.1f} {low:.1f}V{high:.1f}M{x - 10:.1f} {high:.1f}h20" stroke="#444" fill="none"/>'


def _label(panel: _Panel, n: int, top: float, lines: list[str], name: str) -> None:
    x = panel.x + panel.width * (n / 3 + 0.16)
    for up, line in enumerate(reversed(lines)):
        panel.marks.append(_text(x, top - 6 - 14 * up, line, 12, anchor="middle"))
    panel.marks.append(_text(x, panel.y + panel.height + 18, name, 13, anchor="middle"))


def _shares(values: list[float]) -> list[float]:
    """Heights on a logarithmic scale from half a decade below the lowest; the rest is room for the labels."""
    logs = [math.log10(max(value, 1e-6)) for value in values]
    floor = min(logs) - 0.5
    return [0.8 * (log - floor) / (max(logs) - floor) for log in logs]


def _text(x: float, y: float, text: str, size: int, **style: str) -> str:
    colour, weight, anchor = style.get("colour", "#222"), style.get("weight", "normal"), style.get("anchor", "start")
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
