"""Small charts as inline SVG: a report is one file that opens anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 280
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 16, 44


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its 95 % interval and a mark for what was expected there; shares as fractions."""

    label: str
    value: float
    low: float
    high: float
    expected: float
    tip: str


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float
    low: float
    high: float
    tip: str


@dataclass(frozen=True, slots=True)
class _Frame:
    """Maps data to the drawing: x in [0, x_max], y in [0, y_max]."""

    x_max: float
    y_max: float

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.x_max

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.y_max


def bars(items: Sequence[Bar], x_label: str, y_label: str) -> str:
    """Percent by group, with intervals; the dot is what was expected."""
    frame = _Frame(len(items), _ceiling(max(max(b.high, b.expected) for b in items)))
    parts = [_grid(frame), _labels(x_label, y_label)]
    for index, bar in enumerate(items):
        left, right, middle = frame.x(index + 0.15), frame.x(index + 0.85), frame.x(index + 0.5)
        parts.append(
            f'<g><title>{escape(bar.tip)}</title><rect class="bar" x="{left:.1f}" width="{right - left:.1f}" '
            f'y="{frame.y(bar.value):.1f}" height="{frame.y(0) - frame.y(bar.value):.1f}"/>'
            f'<line class="whisker" x1="{middle:.1f}" x2="{middle:.1f}" y1="{frame.y(bar.low):.1f}" y2="{frame.y(bar.high):.1f}"/>'
            f'<circle class="expected" cx="{middle:.1f}" cy="{frame.y(bar.expected):.1f}" r="4"/></g>' + _tick(middle, bar.label)
        )
    return _svg(parts)


def reliability(points: Sequence[Point], x_label: str, y_label: str) -> str:
    """Observed against predicted shares, on one scale, with the diagonal of perfect truth."""
    top = _ceiling(max(max(p.high, p.x) for p in points))
    frame = _Frame(top, top)
    diagonal = f'<line class="diagonal" x1="{frame.x(0):.1f}" y1="{frame.y(0):.1f}" x2="{frame.x(top):.1f}" y2="{frame.y(top):.1f}"/>'
    parts = [_grid(frame), _labels(x_label, y_label), diagonal]
    parts += [_tick(frame.x(t), _percent(t)) for t in _ticks(top)]
    for point in points:
        x = f"{frame.x(point.x):.1f}"
        parts.append(
            f"<g><title>{escape(point.tip)}</title>"
            f'<line class="whisker" x1="{x}" x2="{x}" y1="{frame.y(point.low):.1f}" y2="{frame.y(point.high):.1f}"/>'
            f'<circle class="point" cx="{x}" cy="{frame.y(point.y):.1f}" r="5"/></g>'
        )
    return _svg(parts)


def histogram(counts: Sequence[int], edges: Sequence[float], x_label: str, y_label: str = "events") -> str:
    """How many per bin; `edges` has one more than `counts`."""
    frame = _Frame(len(counts), max(counts) * 1.1 or 1)
    parts = [_labels(x_label, y_label)]
    for index, count in enumerate(counts):
        left, right = frame.x(index + 0.05), frame.x(index + 0.95)
        tip = f"{edges[index]:.4g} to {edges[index + 1]:.4g}: {count:,} {y_label}"
        parts.append(
            f'<g><title>{tip}</title><rect class="bar" x="{left:.1f}" width="{right - left:.1f}" '
            f'y="{frame.y(count):.1f}" height="{frame.y(0) - frame.y(count):.1f}"/></g>'
        )
    every = max(1, len(counts) // 8)
    parts += [_tick(frame.x(index), f"{edges[index]:.3g}") for index in range(0, len(edges), every)]
    return _svg(parts)


def _svg(parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}</svg>'


def _grid(frame: _Frame) -> str:
    return "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{frame.y(t):.1f}" y2="{frame.y(t):.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{frame.y(t) + 4:.1f}" text-anchor="end">{_percent(t)}</text>'
        for t in _ticks(frame.y_max)
    )


def _tick(x: float, text: str) -> str:
    return f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(text)}</text>'


def _labels(x_label: str, y_label: str) -> str:
    middle, upward = (LEFT + WIDTH - RIGHT) / 2, (HEIGHT - BOTTOM + TOP) / 2
    return (
        f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text class="label" transform="translate(14 {upward}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )


def _ceiling(value: float) -> float:
    steps = (0.01, 0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
    return next((step for step in steps if step >= value), 1.0)


def _ticks(top: float) -> list[float]:
    return [top * i / 4 for i in range(5)]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


@dataclass(frozen=True, slots=True)
class Axes:
    x: str
    y: str


def line(points: Sequence[Point], axes: Axes, *, diagonal: bool = False) -> str:
    """Points joined in order, each with its interval; x from 0 to the largest."""
    frame = _Frame(max(p.x for p in points) or 1, _ceiling(max(p.high for p in points)))
    parts = [_grid(frame), _labels(axes.x, axes.y)]
    if diagonal:
        parts.append(
            f'<line class="diagonal" x1="{frame.x(0)}" y1="{frame.y(0)}" x2="{frame.x(frame.x_max)}" y2="{frame.y(frame.y_max)}"/>'
        )
    path = " ".join(f"{frame.x(p.x):.1f},{frame.y(p.y):.1f}" for p in points)
    parts.append(f'<polyline class="line" points="{path}"/>')
    for point in points:
        x = f"{frame.x(point.x):.1f}"
        whisker = f'<line class="whisker" x1="{x}" x2="{x}" y1="{frame.y(point.low):.1f}" y2="{frame.y(point.high):.1f}"/>'
        tip = f"<title>{escape(point.tip)}</title>"
        parts.append(
            f'<g>{tip}{whisker if point.low < point.high else ""}<circle class="point" cx="{x}" cy="{frame.y(point.y):.1f}" r="3"/></g>'
        )
    whole = frame.x_max > 1
    parts += [_tick(frame.x(t), f"{t:,.0f}" if whole else _percent(t)) for t in _ticks(frame.x_max)]
    return _svg(parts)
