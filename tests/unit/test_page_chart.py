"""The chart as shapes and words, from a report."""

from datetime import UTC, timedelta

import pytest

from credits.page.chart import Chart, Label, Line, Slot, chart_of
from credits.page.reader import reader_of
from credits.usage.fold import Day, Tally
from credits.usage.report import Granularity, Wanted, drawn
from tests.unit.books import CATALOG, utc

READER = reader_of(language="en-US", accepted=None, zone="UTC")

DAYS = [
    Day("day#2026-11-23", {"08:15": {"message": Tally(3, 3), "agent_step": Tally(1, 2), "ai_response": Tally(3, 0)}}),
    Day("day#2026-11-25", {"10:00": {"deep_research": Tally(1, 20)}}),
]


def charted(
    first: str, days: int, by: Granularity = Granularity.DAY, *rollups: Day, action: str | None = None
) -> Chart:
    since = utc(first)
    wanted = Wanted(by, since, since + timedelta(days=days), UTC, action)
    return chart_of(drawn(rollups or DAYS, wanted), CATALOG, READER)


def test_bars_are_stacked_by_action_from_the_bottom_up() -> None:
    chart = charted("2026-11-23", 3)
    assert chart.width == 300
    assert chart.ticks == ("20", "10", "0")
    assert [(series.name, series.colour, series.count, series.credits, series.path) for series in chart.series] == [
        ("Message", 1, "3", "3", "M41 100h18v-15h-18z"),
        ("Agent Step", 2, "1", "2", "M41 85h18v-10h-18z"),
        ("Deep Research", 6, "1", "20", "M241 100h18v-100h-18z"),
        ("AI Response", 7, "3", "0", ""),
    ]


def test_a_bar_says_what_it_is_when_it_is_pointed_at() -> None:
    assert charted("2026-11-23", 3).slots == (
        Slot(0, "Nov 23, 2026\n5 credits\nMessage 3\nAgent Step 2"),
        Slot(100, "Nov 24, 2026\nNothing used"),
        Slot(200, "Nov 25, 2026\n20 credits\nDeep Research 20"),
    )


def test_the_table_tells_the_same_the_newest_first_without_the_empty_bars() -> None:
    chart = charted("2026-11-23", 3)
    assert chart.lines == (
        Line("Nov 25, 2026", ("0", "0", "20", "0"), "20"),
        Line("Nov 23, 2026", ("3", "2", "0", "0"), "5"),
    )
    assert chart.total == "25"
    assert chart.summary == "25 credits used, by day. The most: Nov 25, 2026, 20."


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    assert charted("2026-11-18", 10, Granularity.WEEK).slots[1].title.split("\n")[:2] == [
        "Week of Nov 23, 2026",
        "25 credits",
    ]
    assert charted("2026-11-18", 10, Granularity.MONTH).slots[0].title.split("\n")[:2] == ["Nov 2026", "25 credits"]


def test_a_chart_of_one_action_says_which() -> None:
    chart = charted("2026-11-23", 3, action="message")
    assert chart.summary == "3 credits of Message used, by day. The most: Nov 23, 2026, 3."
    assert [series.name for series in chart.series] == ["Message"]


def test_nothing_used_is_an_empty_frame() -> None:
    chart = charted("2026-10-01", 31)
    assert (chart.series, chart.lines) == ((), ())
    assert chart.ticks == ("2", "1", "0")
    assert chart.summary == "No credits were used in this time."


@pytest.mark.parametrize(
    ("most", "top"), [(1, "2"), (2, "2"), (3, "4"), (9, "10"), (10, "10"), (11, "20"), (41, "60"), (999, "1,000")]
)
def test_the_scale_ends_at_a_round_figure_with_a_whole_half(most: int, top: str) -> None:
    day = Day("day#2026-11-23", {"08:15": {"message": Tally(most, most)}})
    assert charted("2026-11-23", 1, Granularity.DAY, day).ticks[0] == top


def test_labels_are_few_and_every_other_one_gives_way_on_a_phone() -> None:
    labels = charted("2026-11-01", 30).labels
    assert [label.text for label in labels] == ["Nov 1", "Nov 6", "Nov 11", "Nov 16", "Nov 21", "Nov 26"]
    assert labels[0] == Label("0%", "Nov 1", "start", minor=False)
    assert labels[1] == Label("18.33%", "Nov 6", "middle", minor=True)


def test_an_action_that_the_catalog_has_no_longer_is_drawn_in_grey_under_its_id() -> None:
    chart = charted("2026-11-23", 1, Granularity.DAY, Day("day#2026-11-23", {"08:15": {"telepathy": Tally(2, 8)}}))
    assert [(series.name, series.colour, series.credits) for series in chart.series] == [("telepathy", 0, "8")]
    assert chart.total == "8"


def test_a_refund_of_more_than_was_charged_in_the_same_time_draws_nothing_below_the_line() -> None:
    chart = charted("2026-11-23", 1, Granularity.DAY, Day("day#2026-11-23", {"08:15": {"message": Tally(1, -1)}}))
    assert chart.series[0].path == ""
