"""Proof: what must hold of each entry, given the one before it in its book; each check tells what does not.

An entry carries its book as it left it, so a whole ledger is proved one step at a time: the chain (seq, hash, time);
every single grant, which moves by its entry's draws and by nothing else, each in the way of the entry's kind, so that
always granted = remaining + held + frozen + spent + expired + revoked; what counts as used and as owed; the meters; and
at the end the book's item itself. What moves credits between an account and a hold is an entry in each, and the two
must say the same. A refund must name a charge that took as much, and stands under the one key of that charge.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from credits.domain.account import GENESIS, Account
from credits.domain.entry import CHARGES, AnyEntry, EntryKind
from credits.domain.grant import BOUGHT, PLAN_GRANTS, Draw, Grant, GrantKind
from credits.domain.hold import Hold
from credits.domain.instant import to_text
from credits.domain.member import Member
from credits.domain.pack import asked, undone_key
from credits.domain.recall import come_back, recalled_in
from credits.domain.record import after_to_record, chain_hash, entry_to_record
from credits.domain.refund import refund_key

PARTS = ("remaining", "held", "frozen")

GIVES: Final = frozenset(EntryKind(kind.value) for kind in GrantKind)
"""What gives credits: these alone make a grant, or make it larger; but for what comes back by a refund."""

COUNTED: Final = frozenset({EntryKind.CHARGE, EntryKind.HOLD, EntryKind.EXTENSION})
"""What adds all of its credits to the count of the member it names."""

BEGINS: Final = frozenset({EntryKind.ALLOCATION, EntryKind.PERIOD, EntryKind.PLAN_CHANGE, EntryKind.STANDING})
"""What can lead an account into another period."""

BRINGS_BACK: Final = frozenset({EntryKind.PACK, EntryKind.CONFIRMATION})
"""What takes back a revocation of a pack, whose refund did not go through, and names it."""

RECALLS: Final = frozenset(
    {
        EntryKind.REVOCATION,
        EntryKind.RELEASE,
        EntryKind.CONFIRMATION,
        EntryKind.PACK,
        EntryKind.ALLOCATION,
        EntryKind.PRORATION,
        EntryKind.CARRYOVER,
    }
)
"""What can move what is recalled of a grant: a revocation up and down, a release as its hold goes, the others down."""

ONLY: Final[Mapping[str, EntryKind]] = {
    "knowledge_words": EntryKind.METER,
    "workflows": EntryKind.METER,
    "members": EntryKind.MEMBER,
    "top_up_below": EntryKind.TOP_UP,
}
"""Fields of an account that one kind of entry moves."""

type Moves = Callable[[Draw], bool]


def _given(draw: Draw) -> bool:
    return draw.credits > 0 == draw.held == draw.frozen


def _taken(draw: Draw) -> bool:
    return draw.credits < 0 == draw.held == draw.frozen


def _lost(draw: Draw) -> bool:
    return draw.held == 0 and draw.credits <= 0 and draw.frozen <= 0 and draw.credits + draw.frozen < 0


def _set_aside(draw: Draw) -> bool:
    return draw.held == -draw.credits > 0 == draw.frozen


def _let_go(draw: Draw) -> bool:
    return draw.credits >= 0 == draw.frozen and draw.held < 0 and draw.credits + draw.held <= 0


OF_AN_ACCOUNT: Final[Mapping[EntryKind, Moves]] = {
    **dict.fromkeys(GIVES - {EntryKind.ADJUSTMENT}, _given),
    EntryKind.ADJUSTMENT: lambda draw: _given(draw) or _taken(draw),
    EntryKind.CHARGE: _taken,
    EntryKind.REFUND: _given,
    EntryKind.HOLD: _set_aside,
    EntryKind.EXTENSION: _set_aside,
    EntryKind.RELEASE: _let_go,
    EntryKind.EXPIRY: _lost,
    EntryKind.REVOCATION: _lost,
    EntryKind.FREEZE: lambda draw: draw.frozen == -draw.credits > 0 == draw.held,
    EntryKind.THAW: lambda draw: draw.credits == -draw.frozen > 0 == draw.held,
}
"""In which way each kind of entry moves a grant. A kind that is not here moves none."""

OF_A_HOLD: Final[Mapping[EntryKind, Moves]] = {
    EntryKind.HOLD: _given,
    EntryKind.EXTENSION: _given,
    EntryKind.CAPTURE: _taken,
    EntryKind.REFUND: _given,
    EntryKind.RELEASE: _taken,
}
"""The same of a hold's parts."""


def check(last: AnyEntry | None, entry: AnyEntry) -> Iterator[str]:
    """What does not hold of `entry`, given the one before it in its book (None for the first).

    Whether a hold's first entry stands on the account's that opened it is for `check_halves` to say.
    """
    before = last.after if last else None
    if entry.seq != (last.seq if last else 0) + 1:
        yield f"seq {entry.seq} follows {last.seq if last else 0}"
    if (last or isinstance(entry.after, Account)) and entry.prev_hash != (last.hash if last else GENESIS):
        yield "prev_hash is not the hash of the entry before"
    if entry.hash != chain_hash(entry.prev_hash, entry_to_record(entry)):
        yield "hash is not that of the entry's fields"
    if last and entry.at < last.at:
        yield "at is before the entry before"
    if entry.credits != sum(draw.credits for draw in entry.draws):
        yield f"credits are {entry.credits}, the draws {sum(draw.credits for draw in entry.draws)}"
    if entry.remaining != entry.after.remaining:
        yield f"remaining is {entry.remaining}, the grants hold {entry.after.remaining}"
    moves = OF_A_HOLD if isinstance(entry.after, Hold) else OF_AN_ACCOUNT
    for draw in entry.draws:
        if entry.kind not in moves or not moves[entry.kind](draw):
            yield f"an entry of the kind {entry.kind} does not move {draw.grant_id} like this"
        if entry.kind is EntryKind.EXPIRY and not (draw.expires_at and draw.expires_at <= entry.at):
            yield f"grant {draw.grant_id} expires before its time"
    if isinstance(entry.after, Hold):
        yield from _check_hold(before if isinstance(before, Hold) else None, entry, entry.after)
    else:
        yield from _check_account(before if isinstance(before, Account) else None, entry, entry.after)


def _check_account(before: Account | None, entry: AnyEntry, account: Account) -> Iterator[str]:
    if entry.total != account.total:
        yield f"total is {entry.total}, the account's is {account.total}"
    yield from _check_grants(before.grants if before else (), entry)
    yield from _check_recalled(before.grants if before else (), entry, account)
    if before is None:
        if entry.kind is not EntryKind.OPENED or any(
            getattr(account, name) for name in ("used", "counted_from", "owed", *ONLY)
        ):
            yield "the first entry is not the opening of an account that has done nothing"
        return
    for name, kind in ONLY.items():
        if entry.kind is not kind and getattr(account, name) != getattr(before, name):
            yield f"an entry of the kind {entry.kind} moves the account's {name}"
    if _begins(before, account) and entry.kind not in BEGINS:
        yield f"an entry of the kind {entry.kind} moves the account into another period"
    if account.counted_from not in (None, before.counted_from, entry.at):
        yield f"it counts from {to_text(account.counted_from)}, when nothing began"
    if account.used not in _used(before, entry):
        yield f"used is {account.used}, and was {before.used} before {entry.credits} credits"
    if not _owed_is_right(before, entry, account.owed):
        yield f"owed is {account.owed}, and was {before.owed} before {entry.credits} credits"
    if not _missing_is_right(before, entry, account):
        yield "credits of a pack are missing that were not to be taken, or are missing no more that were"


def _begins(before: Account, account: Account) -> bool:
    """Whether a period begins, or its count. An upgrade in the first millisecond of a period begins another with it."""
    return (account.period, account.counts_from) != (before.period, before.counts_from)


def _used(before: Account, entry: AnyEntry) -> Sequence[int]:
    """What may count as used after the entry: as many captures as the release settles, as many credits as were charged.
    Of a refund, what was charged in an earlier period does not count; nor does anything in one that begins."""
    match entry.kind:
        case EntryKind.CHARGE:
            return [before.used - entry.credits]
        case EntryKind.RELEASE:
            return [before.used - sum(draw.credits + draw.held for draw in entry.draws)]
        case EntryKind.REFUND:
            return [before.used, max(before.used - entry.credits, 0)]
        case kind if kind in BEGINS and isinstance(entry.after, Account) and _begins(before, entry.after):
            return [before.used, 0]
    return [before.used]


def _owed_is_right(before: Account, entry: AnyEntry, owed: int) -> bool:
    """What was missing comes on top of what is owed, where it was not forgiven; what is taken may settle it. What a
    hold has spent of recalled credits is owed as far as it was owing."""
    match entry.kind:
        case EntryKind.ADJUSTMENT:
            return owed == before.owed + entry.shortfall
        case EntryKind.RELEASE:
            missing = sum(pool.owed for pool in come_back(before.grants, entry.draws))
            return owed == before.owed + missing and entry.shortfall == missing
        case EntryKind.REVOCATION:
            return owed == before.owed + entry.credits or before.owed <= owed <= before.owed + entry.shortfall
    return owed == before.owed


def _missing_is_right(before: Account, entry: AnyEntry, after: Account) -> bool:
    """What a revocation did not find is missing of its pack, until a hold's close takes it or a refund fails."""
    was, has = ({grant.id: grant.missing for grant in each.grants} for each in (before, after))
    moved = {name: has.get(name, 0) - was.get(name, 0) for name in was | has}
    moved = {name: credits for name, credits in moved.items() if credits}
    of_packs = {draw.grant_id: draw.credits for draw in entry.draws if draw.kind in BOUGHT}
    match entry.kind:
        case EntryKind.REVOCATION if entry.hold_id:
            return moved == of_packs
        case EntryKind.REVOCATION if not moved:
            return not (of_packs and entry.shortfall)
        case EntryKind.REVOCATION:
            alone = [*moved.values()] == [entry.shortfall] and after.owed == before.owed
            return alone and moved.keys() >= of_packs.keys()
        case kind if kind in BRINGS_BACK and entry.shortfall:
            return [*moved.values()] == [-entry.shortfall] and moved.keys() >= of_packs.keys()
    return not moved


def _check_hold(before: Hold | None, entry: AnyEntry, hold: Hold) -> Iterator[str]:
    """A hold's parts move by its draws. What was captured is what they lost while it was open; closing empties them."""
    if entry.total != hold.credits:
        yield f"total is {entry.total}, the hold's is {hold.credits}"
    if entry.member_used is not None:
        yield "a hold's entry tells a member's count"
    if hold.open:
        yield from _check_grants(before.grants if before else (), entry)
        if hold.credits != sum(part.credits for part in hold.grants):
            yield f"the hold has {hold.credits} credits, its parts {sum(part.credits for part in hold.grants)}"
        if hold.captured != hold.credits - hold.remaining:
            yield f"captured is {hold.captured}, the parts tell {hold.credits - hold.remaining}"
        return
    if before is None or not before.open:
        yield "a hold that is over has an entry"
        return
    if hold.grants or {draw.grant_id: -draw.credits for draw in entry.draws} != {
        part.id: part.remaining for part in before.grants if part.remaining
    }:
        yield "the close does not empty the hold's parts"
    if (hold.credits, hold.captured) != (before.credits, before.captured):
        yield "the close changes what was set aside or captured"


def _check_grants(before: Sequence[Grant], entry: AnyEntry) -> Iterator[str]:
    """Each grant moves by its draws and by nothing else. The parts of a hold stay when they are empty."""
    had = {grant.id: grant for grant in before}
    has = {grant.id: grant for grant in entry.after.grants}
    drawn = {draw.grant_id: draw for draw in entry.draws}
    if len(drawn) != len(entry.draws):
        yield "a grant is drawn on twice"
    for grant_id in sorted(had.keys() | has.keys() | drawn.keys()):
        grant, draw = has.get(grant_id), drawn.get(grant_id)
        moved = (draw.credits, draw.held, draw.frozen) if draw else (0, 0, 0)
        should = [was + change for was, change in zip(_parts(had.get(grant_id)), moved, strict=True)]
        for part, leaves, left in zip(PARTS, should, _parts(grant), strict=True):
            if leaves != left:
                yield f"grant {grant_id} has {left} {part}, the entries leave {leaves}"
        if grant:
            yield from _check_grant(had.get(grant_id), entry, draw, grant)


def _check_recalled(before: Sequence[Grant], entry: AnyEntry, account: Account) -> Iterator[str]:
    """A release leaves just what other holds have still of what is recalled and owing; and of the grants that its hold
    had nothing of, all. What gives credits, or confirms them, lets go of it at most."""
    if entry.kind not in RECALLS - {EntryKind.REVOCATION}:
        return
    had: dict[tuple[str, ...], tuple[int, int]] = {(grant.id,): recalled_in([grant]) for grant in before}
    if entry.kind is EntryKind.RELEASE:
        for pool in come_back(before, entry.draws):
            had = {among: parts for among, parts in had.items() if among[0] not in pool.among}
            had[pool.among] = pool.recalled, pool.owing
    for among, most in had.items():
        left = recalled_in([grant for grant in account.grants if grant.id in among])
        if left != most and (entry.kind is EntryKind.RELEASE or left[0] > most[0] or left[1] > most[1]):
            yield f"{left} are recalled and owing of {', '.join(among)}, {most} were to be"


def _check_grant(before: Grant | None, entry: AnyEntry, draw: Draw | None, grant: Grant) -> Iterator[str]:
    """What a grant is does not change; how much was given of it changes only by what is given."""
    if min(_parts(grant)) < 0 or sum(_parts(grant)) > grant.credits:
        yield f"grant {grant.id} has {_parts(grant)} of {grant.credits}"
    elif grant.empty and isinstance(entry.after, Account):
        yield f"grant {grant.id} is empty and still in the book"
    if before and before.expires_at != grant.expires_at:
        yield f"grant {grant.id} expires at another time than before"
    if before and not _stays(before.kind, grant.kind):
        yield f"grant {grant.id} is of the kind {grant.kind}, and was of the kind {before.kind}"
    if draw and not (_stays(grant.kind, draw.kind) and draw.expires_at == grant.expires_at):
        yield f"grant {grant.id} is not of the kind, or of the expiry, that its draw tells"
    recalled, owing = recalled_in([before] if before else [])
    if (grant.recalled, grant.owing) != (recalled, owing) and entry.kind not in RECALLS:
        yield f"an entry of the kind {entry.kind} recalls credits of grant {grant.id}"
    if not 0 <= grant.owing <= grant.recalled <= grant.held:
        yield f"grant {grant.id} has {grant.recalled} recalled ({grant.owing} owing) of {grant.held} held"
    if grant.missing < 0 or (grant.missing and not grant.bought) or (grant.bought and grant.recalled > grant.missing):
        yield f"grant {grant.id} has {grant.missing} missing, and {grant.recalled} of them recalled"
    given = _given_of(before, entry, draw, grant)
    if grant.credits != given:
        yield f"grant {grant.id} is of {grant.credits} credits, the entries gave {given}"
    elif before is None and isinstance(entry.after, Account) and not _comes(entry, grant):
        yield f"grant {grant.id} comes into the book by an entry that does not give it"


def _comes(entry: AnyEntry, grant: Grant) -> bool:
    """Whether a grant can come into the book with this entry: it has the entry's number, unless it was there before.
    Then a refund brings it back; or, of a pack, what names the revocation that it takes back (`check_correction`), or a
    revocation that found nothing of it."""
    if grant.id == f"g{entry.seq}" or entry.kind is EntryKind.REFUND:
        return True
    return grant.bought and (
        entry.kind is EntryKind.REVOCATION or (entry.kind is EntryKind.PACK and entry.corrects is not None)
    )


def _stays(kind: GrantKind, later: GrantKind) -> bool:
    """Whether a grant of the one kind can be of the other later: what the plan gave is a carryover once its cycle is
    left. A hold's part keeps the kind that it was set aside from."""
    return later is kind or (kind in PLAN_GRANTS and later is GrantKind.CARRYOVER)


def _given_of(before: Grant | None, entry: AnyEntry, draw: Draw | None, grant: Grant) -> int:
    """How many credits the grant has been given in all. One that a refund brings back, or overfills, counts what it
    has."""
    given = before.credits if before else 0
    if draw is None:
        return given
    in_hold = isinstance(entry.after, Hold)
    if entry.kind is EntryKind.REFUND and not in_hold:
        return max(given, sum(_parts(grant)))
    gives = {EntryKind.HOLD, EntryKind.EXTENSION} if in_hold else GIVES
    return given + max(draw.credits, 0) if entry.kind in gives else given


def check_halves(account: AnyEntry, hold: AnyEntry, before: Hold | None) -> Iterator[str]:
    """What does not hold of the two entries of one commit over an account and a hold; `before` is the hold before it,
    where that is known."""
    if (account.kind, account.at, account.hold_id) != (hold.kind, hold.at, hold.hold_id):
        yield "the account's entry and the hold's under this key tell of different things"
    if hold.seq == 1 and hold.prev_hash != account.hash:
        yield "the hold's chain does not start from the account's entry that opened it"
    if hold.kind is not EntryKind.RELEASE:
        if _moved(account.draws, "held") != _moved(hold.draws, "credits"):
            yield "what the account holds is not what the hold got"
        return
    if _moved(account.draws, "credits") != {
        grant: -credits for grant, credits in _moved(hold.draws, "credits").items()
    }:
        yield "what came back to the account is not what the hold gave up"
    if before and {part.id: -part.credits for part in before.grants} != _moved(account.draws, "held"):
        yield "what the account held is not what the hold had"


def check_correction(entry: AnyEntry, charge: AnyEntry | None, elsewhere: AnyEntry | None) -> Iterator[str]:
    """What does not hold of a refund, given the entry it corrects; and what stands under the refund's key in the other
    book that it could be in, where it is a capture's. Or of what takes back the revocation of a pack."""
    corrected = entry.corrects
    if corrected and entry.kind in BRINGS_BACK:
        yield from _check_brought_back(entry, charge)
        return
    if (entry.kind is EntryKind.REFUND) != (corrected is not None):
        yield "a refund corrects an entry, and nothing else does"
    if corrected is None:
        return
    if charge is None or charge.kind not in CHARGES or charge.at != corrected.at or charge.at > entry.at:
        yield "what it corrects is not in the ledger"
        return
    if entry.key != refund_key(charge):
        yield "it does not stand under the key of what it corrects"
    if entry.credits > -charge.credits:
        yield f"it gives back {entry.credits} of {-charge.credits} credits"
    if (entry.action, entry.member_id) != (charge.action, charge.member_id):
        yield "it does not tell the action and the member of what it corrects"
    packs = {draw.grant_id for draw in entry.draws if draw.kind in BOUGHT}
    if not packs <= {draw.grant_id for draw in charge.draws}:
        yield "it gives back to a pack that the charge did not draw on"
    if elsewhere:
        yield "what it corrects was given back in another book as well"


def _check_brought_back(entry: AnyEntry, taken: AnyEntry | None) -> Iterator[str]:
    """What does not hold of an entry that gives back, once, what a revocation was to take of a pack."""
    if taken is None or taken.kind is not EntryKind.REVOCATION or taken.hold_id or taken.seq >= entry.seq:
        yield "what it takes back is not in the ledger"
        return
    if entry.key != undone_key(taken) or (entry.corrects and entry.corrects.at != taken.at):
        yield "it does not stand under the key and the instant of what it takes back"
    if entry.credits + entry.shortfall != asked(taken):
        yield f"it gives back {entry.credits} credits and leaves {entry.shortfall} out, {asked(taken)} were to be taken"
    of_packs = {draw.grant_id for draw in taken.draws if draw.kind in BOUGHT}
    of_packs = of_packs or {grant.id for grant in taken.after.grants if grant.missing}
    if not {draw.grant_id for draw in entry.draws} <= of_packs:
        yield "it gives back to another grant than was taken from"


def check_count(last: AnyEntry | None, entry: AnyEntry) -> Iterator[str]:
    """What does not hold of a member's count at `entry`, given the last entry before it that moved the count."""
    if not isinstance(entry.after, Account) or entry.member_used is None:
        return
    if not entry.member_id:
        yield "it tells a count and names no member"
    same_count = last and isinstance(last.after, Account) and last.after.counts_from == entry.after.counts_from
    used = last.member_used or 0 if last and same_count else 0
    if entry.member_used not in _counts(used, entry):
        yield f"the member's count is {entry.member_used}, and was {used} before {entry.credits} credits"


def _counts(used: int, entry: AnyEntry) -> Sequence[int]:
    """What a member's count may be after the entry: a hold gives back what is left of what it counted in this period, a
    refund what was charged in it."""
    match entry.kind:
        case kind if kind in COUNTED:
            return [used - entry.credits]
        case EntryKind.RELEASE:
            return range(max(used - entry.credits, 0), used + 1)
        case EntryKind.REFUND:
            return [used, max(used - entry.credits, 0)]
    return [used]


def check_item(last: AnyEntry | None, book: Account | Hold) -> Iterator[str]:
    """What does not hold of a book's item, given its last entry."""
    name = "hold" if isinstance(book, Hold) else "account"
    if last is None or (last.seq, last.hash) != (book.seq, book.head):
        yield f"the {name} stands at entry {book.seq}, the entries end at {last.seq if last else 0}"
    elif after_to_record(last.after) != after_to_record(book) or last.at != book.at:
        yield f"the {name}'s item is not what its last entry left"


def check_member(last: AnyEntry | None, member: Member) -> Iterator[str]:
    """What does not hold of a member's item, given the last entry that moved its count."""
    if last is None or (last.seq, last.hash, last.at) != (member.seq, member.head, member.at):
        yield f"the member stands at entry {member.seq}, the last that counts is {last.seq if last else 0}"
    elif last.member_used != member.used:
        yield f"the member's count is {member.used}, the last entry left {last.member_used}"
    elif isinstance(last.after, Account) and member.counted_from != last.after.counts_from:
        yield "the member's count begins at another time than the account's at its last entry"


def _parts(grant: Grant | None) -> tuple[int, int, int]:
    return (grant.remaining, grant.held, grant.frozen) if grant else (0, 0, 0)


def _moved(draws: Sequence[Draw], what: str) -> dict[str, int]:
    moved = {draw.grant_id: int(getattr(draw, what)) for draw in draws}
    return {grant_id: credits for grant_id, credits in moved.items() if credits}
