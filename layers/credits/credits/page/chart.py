"""The chart: credits by day, week or month, stacked by action, as shapes that an SVG is made of.

The plot is stretched to the width it is given (`preserveAspectRatio="none"`), so it holds shapes alone; what is to be
read (ticks, labels, the legend) stands beside it, and no script is needed to fit it to a phone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from credits.catalog import Catalog
from credits.page.reader import Reader
from credits.usage.fold import Tally
from credits.usage.report import Bucket, Granularity, Report

HEIGHT = 100
SLOT = 100
"""The width of one bar and the room beside it, in units of the plot, which have no fixed size."""

MOST_LABELS = 7
FEW_BARS = 12
"""With fewer bars than this, each is as wide as if there were so many: one day is no wall of colour."""

COLOURS = 8
"""As many as the stylesheet has; an action keeps its own whatever else was used."""

WIDEST_BAR = 72


@dataclass(frozen=True, slots=True)
class Series:
    """One action over the whole time. `path` is all its bars, empty for one that is free."""

    action: str
    name: str
    colour: int
    count: str
    credits: str
    path: str


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a bar stands, and what is said of it when it is pointed at."""

    x: int
    title: str


@dataclass(frozen=True, slots=True)
class Label:
    """A word under the bars, at `percent` of the width. A minor one gives way on a phone."""

    percent: str
    text: str
    anchor: str
    minor: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the chart's table: a bar, and its credits by action in the order of the series, then in all."""

    name: str
    credits: tuple[str, ...]
    total: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn. `ticks` are from the top down, `lines` the bars in which anything was used, the newest first."""

    width: int
    series: tuple[Series, ...]
    slots: tuple[Slot, ...]
    ticks: tuple[str, ...]
    labels: tuple[Label, ...]
    lines: tuple[Line, ...]
    total: str
    summary: str


def chart_of(report: Report, catalog: Catalog, reader: Reader) -> Chart:
    """The chart of a report."""
    buckets, by = report.buckets, report.wanted.granularity
    used = in_order({action for bucket in buckets for action in bucket.actions}, catalog)
    top = _top(max((bucket.credits for bucket in buckets), default=0))
    bar = WIDEST_BAR * min(len(buckets), FEW_BARS) // FEW_BARS
    paths: dict[str, list[str]] = {action: [] for action in used}
    for index, bucket in enumerate(buckets):
        base, x = 0, index * SLOT + (SLOT - bar) // 2
        for action in used:
            credits = max(bucket.actions.get(action, Tally()).credits, 0)
            if credits:
                low, high = _height(base, top), _height(base + credits, top)
                paths[action].append(f"M{x} {_number(HEIGHT - low)}h{bar}v-{_number(high - low)}h-{bar}z")
            base += credits
    return Chart(
        width=max(len(buckets), 1) * SLOT,
        series=tuple(_series(action, paths[action], buckets, catalog, reader) for action in used),
        slots=tuple(Slot(index * SLOT, _title(bucket, by, catalog, reader)) for index, bucket in enumerate(buckets)),
        ticks=tuple(reader.number(value) for value in (top, top // 2, 0)),
        labels=_labels(buckets, by, reader),
        lines=tuple(
            Line(
                bucket_name(bucket.start.date(), by, reader),
                tuple(reader.number(bucket.actions.get(action, Tally()).credits) for action in used),
                reader.number(bucket.credits),
            )
            for bucket in reversed(buckets)
            if bucket.actions
        ),
        total=reader.number(report.total),
        summary=_summary(report, catalog, reader),
    )


def name_of(action: str, catalog: Catalog) -> str:
    """The action's name; its id where the catalog has it no longer."""
    return catalog.actions[action].name if action in catalog.actions else action


def in_order(actions: Iterable[str], catalog: Catalog) -> list[str]:
    """The catalog's order, then those it has no longer."""
    known = list(catalog.actions)
    return sorted(actions, key=lambda action: (known.index(action) if action in known else len(known), action))


def colour_of(action: str, catalog: Catalog) -> int:
    """The colour of an action, 1 to `COLOURS`; 0, which is grey, for one that the catalog has no longer."""
    return list(catalog.actions).index(action) % COLOURS + 1 if action in catalog.actions else 0


def bucket_name(first: date, by: Granularity, reader: Reader) -> str:
    """`Nov 23, 2026`, `Week of Nov 23, 2026`, `Nov 2026`."""
    match by:
        case Granularity.DAY:
            return reader.day_and_year(first)
        case Granularity.WEEK:
            return f"Week of {reader.day_and_year(first)}"
        case Granularity.MONTH:
            return reader.month(first)


def counted(number: int, what: str, reader: Reader) -> str:
    """`1 credit`, `12 credits`."""
    return f"{reader.number(number)} {what if number == 1 else what + 's'}"


def _series(action: str, paths: Sequence[str], buckets: Sequence[Bucket], catalog: Catalog, reader: Reader) -> Series:
    tallies = [bucket.actions[action] for bucket in buckets if action in bucket.actions]
    return Series(
        action,
        name_of(action, catalog),
        colour_of(action, catalog),
        reader.number(sum(tally.count for tally in tallies)),
        reader.number(sum(tally.credits for tally in tallies)),
        "".join(paths),
    )


def _top(most: int) -> int:
    """The scale's end: an even number of one digit and zeros, so that its half is whole and easy to read."""
    unit = 1
    while most > 10 * unit:
        unit *= 10
    return next(digit * unit for digit in (2, 4, 6, 8, 10) if digit * unit >= most)


def _height(credits: int, top: int) -> float:
    return credits * HEIGHT / top


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _title(bucket: Bucket, by: Granularity, catalog: Catalog, reader: Reader) -> str:
    lines = [bucket_name(bucket.start.date(), by, reader)]
    if not bucket.actions:
        return f"{lines[0]}\nNothing used"
    lines.append(counted(bucket.credits, "credit", reader))
    lines += [
        f"{name_of(action, catalog)} {reader.number(bucket.actions[action].credits)}"
        for action in in_order(bucket.actions, catalog)
        if bucket.actions[action].credits
    ]
    return "\n".join(lines)


def _labels(buckets: Sequence[Bucket], by: Granularity, reader: Reader) -> tuple[Label, ...]:
    """Evenly spaced, as many as there is room for; on a phone every other one of them."""
    step = -(-len(buckets) // MOST_LABELS)
    told = reader.month if by is Granularity.MONTH else reader.day
    labels = []
    for place, index in enumerate(range(0, len(buckets), step or 1)):
        percent = (index * 2 + 1) * 50 / len(buckets)
        anchor = "start" if percent < 5 else "end" if percent > 95 else "middle"
        at = {"start": 0.0, "end": 100.0, "middle": percent}[anchor]
        labels.append(Label(f"{_number(at)}%", told(buckets[index].start.date()), anchor, minor=place % 2 == 1))
    return tuple(labels)


def _summary(report: Report, catalog: Catalog, reader: Reader) -> str:
    if not report.total:
        return "No credits were used in this time."
    most = max(report.buckets, key=lambda bucket: bucket.credits)
    name = bucket_name(most.start.date(), report.wanted.granularity, reader)
    what = f"of {name_of(report.wanted.action, catalog)} " if report.wanted.action else ""
    return (
        f"{counted(report.total, 'credit', reader)} {what}used, by {report.wanted.granularity.value}. "
        f"The most: {name}, {reader.number(most.credits)}."
    )
