"""Burn order: which credits go first."""

import pytest

from credits.domain.grant import Draw, Grant, GrantKind, burn, burn_order
from tests.unit.books import utc

END_OF_MAY = utc("2026-05-31")
END_OF_JUNE = utc("2026-06-30")


def ids(grants: list[Grant]) -> list[str]:
    return [grant.id for grant in grants]


def test_the_soonest_to_expire_burns_first() -> None:
    june = Grant("g1", GrantKind.ALLOCATION, 300, 300, expires_at=END_OF_JUNE)
    may = Grant("g2", GrantKind.CARRYOVER, 300, 300, expires_at=END_OF_MAY)

    assert ids(burn_order([june, may])) == ["g2", "g1"]


def test_what_never_expires_burns_last() -> None:
    never = Grant("g1", GrantKind.ADJUSTMENT, 50, 50)
    far = Grant("g2", GrantKind.PROMOTION, 50, 50, expires_at=utc("9999-12-31 23:59:59.999"))

    assert ids(burn_order([never, far])) == ["g2", "g1"]


def test_free_credits_burn_before_bought_ones_of_the_same_expiry() -> None:
    bought = Grant("g1", GrantKind.PACK, 400, 400)
    free = Grant("g2", GrantKind.PROMOTION, 50, 50)
    bought_in_may = Grant("g3", GrantKind.PACK, 400, 400, expires_at=END_OF_MAY)
    free_in_may = Grant("g4", GrantKind.PROMOTION, 50, 50, expires_at=END_OF_MAY)

    assert ids(burn_order([bought, free, bought_in_may, free_in_may])) == ["g4", "g3", "g2", "g1"]


def test_bought_credits_that_expire_burn_before_free_ones_that_do_not() -> None:
    free = Grant("g1", GrantKind.PROMOTION, 50, 50)
    bought = Grant("g2", GrantKind.PACK, 400, 400, expires_at=END_OF_MAY)

    assert ids(burn_order([free, bought])) == ["g2", "g1"]


def test_the_older_burns_first_where_all_else_is_equal_the_tenth_after_the_ninth() -> None:
    ninth = Grant("g9", GrantKind.PROMOTION, 50, 50, expires_at=END_OF_MAY)
    tenth = Grant("g10", GrantKind.ADJUSTMENT, 50, 50, expires_at=END_OF_MAY)

    assert ids(burn_order([ninth, tenth])) == ["g9", "g10"]


def test_a_burn_draws_each_grant_empty_before_the_next_and_empty_ones_leave() -> None:
    pack = Grant("g1", GrantKind.PACK, 400, 400)
    allocation = Grant("g2", GrantKind.ALLOCATION, 1_000, 12, expires_at=END_OF_JUNE)
    carryover = Grant("g3", GrantKind.CARRYOVER, 300, 7, expires_at=END_OF_MAY)

    after, draws = burn([pack, allocation, carryover], 20)

    assert draws == (
        Draw("g3", GrantKind.CARRYOVER, -7, END_OF_MAY),
        Draw("g2", GrantKind.ALLOCATION, -12, END_OF_JUNE),
        Draw("g1", GrantKind.PACK, -1, None),
    )
    assert after == (Grant("g1", GrantKind.PACK, 400, 399),)


def test_a_burn_within_the_first_grant_leaves_the_others_and_their_places_alone() -> None:
    pack = Grant("g1", GrantKind.PACK, 400, 400)
    allocation = Grant("g2", GrantKind.ALLOCATION, 300, 300, expires_at=END_OF_MAY)

    after, draws = burn([pack, allocation], 20)

    assert draws == (Draw("g2", GrantKind.ALLOCATION, -20, END_OF_MAY),)
    assert after == (pack, Grant("g2", GrantKind.ALLOCATION, 300, 280, expires_at=END_OF_MAY))


def test_held_and_frozen_credits_do_not_burn_and_keep_their_grant_in_the_book() -> None:
    held = Grant("g1", GrantKind.ALLOCATION, 300, 5, held=40, expires_at=END_OF_MAY)
    frozen = Grant("g2", GrantKind.PACK, 400, 5, frozen=60)

    after, draws = burn([held, frozen], 10)

    assert [draw.credits for draw in draws] == [-5, -5]
    assert after == (
        Grant("g1", GrantKind.ALLOCATION, 300, 0, held=40, expires_at=END_OF_MAY),
        Grant("g2", GrantKind.PACK, 400, 0, frozen=60),
    )


def test_burning_nothing_draws_nothing() -> None:
    pack = Grant("g1", GrantKind.PACK, 400, 400)

    assert burn([pack], 0) == ((pack,), ())


def test_a_burn_that_is_not_covered_is_a_fault_and_never_a_negative_grant() -> None:
    with pytest.raises(ValueError, match=r"21 credits are not in these grants: 1 are missing"):
        burn([Grant("g1", GrantKind.PACK, 400, 20)], 21)


def test_packs_are_bought_and_everything_else_is_not() -> None:
    assert {kind.value for kind in GrantKind if Grant("g1", kind, 1, 1).bought} == {"pack"}
