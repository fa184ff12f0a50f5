#!/usr/bin/env python3
"""Verify the export of an account's ledger. One file, standard library only, nothing of the ledger's own code.

    python3 verify_ledger.py acme.jsonl
    python3 verify_ledger.py acme.jsonl --head 1204:9f3c…  (a seq and its hash, as it was logged on an earlier day)

The export has a JSON object a line, in time: each is one entry of one book, which is the account's or that of a hold.
What is checked of every line:

- `hash` is sha256, in hex, of `prev_hash` and the line's other fields as canonical JSON (keys sorted, no spaces,
  UTF-8); `prev_hash` is the hash of the book's entry before: no line can be changed, left out, added or moved unseen
- `seq` counts 1, 2, 3 … within the book, and `at` never goes back
- `credits` is the sum of the draws; `remaining` and `total` are what the book holds after it (`after`)
- every single grant moves by its draws and by nothing else, each in the way of the line's kind; it is never below zero,
  never above what was given, and more is given of it only by what gives credits. So for each grant
  granted = remaining + held + frozen + spent + expired + revoked
- what was used in the period, what is owed and what a member has spent move by what was charged, settled and given back
- what was in a hold when it was to be taken back is `recalled` until the hold gives it back; what the hold has spent of
  it is owed, as far as it was `owing`
- a refund gives back no more than one charge took, stands under the key of that charge, and in one book
- a grant comes into the book by what gives it, under the number of that line. It comes back by a refund; and a pack by
  the line, one alone, that names a revocation of it and gives back what that was to take
- what a revocation did not find is missing of one pack, until a hold's close takes it, or it need not be taken any more
- a hold's book begins at the account's entry that opened it; its parts are what the account set aside, what it captured
  is what its parts lost, and its close gives the account the rest: what is held is what the open holds have

The end of the account's chain, or of an open hold's, can be cut off unseen by all of that: compare the head that is
printed with the account's, or give one that was logged with --head. Exit status: 0 it holds, 1 it does not (the first
wrong line is named), 2 unreadable.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from calendar import monthrange
from typing import Any, Callable, Iterable, NoReturn

Entry = dict[str, Any]
Draw = dict[str, Any]

PARTS = ("remaining", "held", "frozen")
HOLD = "#hold#"
SHARED = ("hold", "extension", "release")
CHARGES = ("charge", "capture")
GIVES = ("allocation", "proration", "carryover", "pack", "promotion", "adjustment")
OF_THE_PLAN = ("allocation", "proration", "carryover")
RECALLS = ("revocation", "release", "confirmation", "pack", *OF_THE_PLAN)
BRINGS_BACK = ("pack", "confirmation")
BEGINS_WITHOUT = ("used", "counted_from", "owed", "knowledge_words", "workflows", "members", "top_up_below")
BEGINS = ("allocation", "period", "plan_change", "standing")


def given(credits: int, held: int, frozen: int) -> bool:
    """Credits came."""
    return credits > 0 and held == frozen == 0


def taken(credits: int, held: int, frozen: int) -> bool:
    """Credits went."""
    return credits < 0 and held == frozen == 0


def lost(credits: int, held: int, frozen: int) -> bool:
    """Credits went, frozen ones among them."""
    return credits <= 0 and frozen <= 0 and credits + frozen < 0 and held == 0


def set_aside(credits: int, held: int, frozen: int) -> bool:
    """Credits are held that could be spent before."""
    return held == -credits > 0 and frozen == 0


def let_go(credits: int, held: int, frozen: int) -> bool:
    """What was held is held no more, and some of it comes back."""
    return held < 0 <= credits <= -held and frozen == 0


Moves = Callable[[int, int, int], bool]

IN_AN_ACCOUNT: dict[str, Moves] = {
    **dict.fromkeys(GIVES, given),
    "adjustment": lambda *moved: given(*moved) or taken(*moved),
    "charge": taken,
    "refund": given,
    "hold": set_aside,
    "extension": set_aside,
    "release": let_go,
    "expiry": lost,
    "revocation": lost,
    "freeze": lambda credits, held, frozen: frozen == -credits > 0 and held == 0,
    "thaw": lambda credits, held, frozen: credits == -frozen > 0 and held == 0,
}
IN_A_HOLD: dict[str, Moves] = {
    "hold": given,
    "extension": given,
    "capture": taken,
    "refund": given,
    "release": taken,
}


class Wrong(Exception):
    """The first thing that does not hold."""


def without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names are all different: of two of one name, readers disagree which one counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def no_fraction(text: str) -> NoReturn:
    """Amounts are whole numbers."""
    raise ValueError(f"{text} is not a whole number")


def read(line: str) -> Entry:
    """The entry on a line."""
    try:
        entry = json.loads(line, object_pairs_hook=without_twins, parse_float=no_fraction, parse_constant=no_fraction)
    except ValueError as error:
        raise Wrong(f"is not JSON: {error}") from None
    if not isinstance(entry, dict):
        raise Wrong("is not an object")
    return entry


def chain_hash(entry: Entry) -> str:
    """What the hash of the entry has to be."""
    body = {name: value for name, value in entry.items() if name not in ("hash", "prev_hash")}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((entry["prev_hash"] + text).encode()).hexdigest()


def parts(grant: dict[str, Any] | None) -> tuple[int, ...]:
    """What remains of a grant, what is held and what is frozen of it."""
    return tuple((grant or {}).get(part, 0) for part in PARTS)


def moved(draw: Draw | None) -> tuple[int, ...]:
    """How a draw moves these."""
    return tuple((draw or {}).get(part, 0) for part in ("credits", "held", "frozen"))


def by_grant(draws: Iterable[Draw], part: str) -> dict[str, int]:
    """What the draws move of each grant."""
    return {draw["grant"]: draw[part] for draw in draws if draw.get(part, 0)}


def packs_of(entry: Entry) -> frozenset[str]:
    """The packs that the entry draws on."""
    return frozenset(draw["grant"] for draw in entry.get("draws", ()) if draw["kind"] == "pack")


def grants_of(after: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The grants of a book by their ids."""
    return {grant["id"]: grant for grant in after.get("grants", ())}


def comes(entry: Entry, grant: dict[str, Any]) -> bool:
    """Whether a grant may come into the book: under the number of the line that gives it, or back again."""
    kind = entry["kind"]
    if grant["id"] == f"g{entry['seq']}" or kind == "refund":
        return True
    return bool(grant["kind"] == "pack" and (kind == "revocation" or (kind == "pack" and "corrects" in entry)))


def recalled_in(grants: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """How many credits are recalled in these grants, and how many of them are owing."""
    grants = list(grants)
    return sum(grant.get("recalled", 0) for grant in grants), sum(grant.get("owing", 0) for grant in grants)


def pool_of(grant: dict[str, Any]) -> str:
    """What the plan gave for one time is recalled as one, whichever of its grants a hold has some of."""
    return str(grant.get("expires_at", "") if grant["kind"] in OF_THE_PLAN else grant["id"])


def period(after: dict[str, Any]) -> str:
    """When the period began in which the account is: its number in months from the anchor, on the anchor's day or the
    last that the month has."""
    anchor = after["anchor"]
    year, month = divmod(int(anchor[:4]) * 12 + int(anchor[5:7]) - 1 + after.get("period_number", 0), 12)
    day = min(int(anchor[8:10]), monthrange(year, month + 1)[1])
    return f"{year:04}-{month + 1:02}-{day:02}{anchor[10:]}"


def counts_from(after: dict[str, Any]) -> str:
    """Since when the account counts what is used: from the period's beginning, or from when it came back to it."""
    since: str = after.get("counted_from") or period(after)
    return since


def count_of(after: dict[str, Any]) -> tuple[str, int, str]:
    """Which count of used credits the account is in: the period of which cycle, and since when."""
    return after["anchor"], after.get("period_number", 0), counts_from(after)


class Book:
    """One book: its last entry so far."""

    def __init__(self) -> None:
        self.seq = 0
        self.hash = ""
        self.at = ""
        self.credits = 0
        self.after: dict[str, Any] = {}


class Verifier:
    """Takes the entries one after the other; raises Wrong at the first that does not hold."""

    def __init__(self, heads: Iterable[tuple[int, str]]) -> None:
        self.account = ""
        self.books: dict[str, Book] = {}
        self.entries = 0
        self.heads = dict(heads)
        self.alone: dict[str, tuple[Entry, dict[str, Any]]] = {}  # entries of two books of which one half was seen
        self.charges: dict[tuple[str, str], tuple[Any, ...]] = {}  # by book and key: at, action, member, packs, credits
        self.refunds: dict[tuple[str, str], tuple[Any, ...]] = {}  # the same, of what was given back
        self.revoked: dict[str, tuple[str, int, frozenset[str]]] = {}  # by key: at, what was to be taken, of what packs
        self.counts: dict[str, tuple[str, int]] = {}  # by member: the period, and what they have spent in it
        self.held: dict[str, dict[str, int]] = {}  # by open hold: what is set aside of each grant

    def see(self, entry: Entry) -> None:
        """Check one entry."""
        try:
            self._check(entry)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Wrong(f"is not an entry: {type(error).__name__} {error}") from None
        self.entries += 1

    def end(self) -> None:
        """Check what only the end can tell."""
        for seq in sorted(self.heads):
            raise Wrong(f"the entry {seq}, whose hash was logged, is not in the file")
        for key in self.alone:
            raise Wrong(f"the entry {key} is in one book only, and belongs in two")
        for _, key in sorted(self.refunds.keys() - self.charges.keys()):
            raise Wrong(f"{key}, which a refund gives back, is not in the file")

    def _check(self, entry: Entry) -> None:
        account, name = entry["account_id"], entry["book_id"]
        self.account = self.account or account
        if account != self.account or name.partition("#")[0] != account:
            raise Wrong(f"is of {name}, in the ledger of {self.account}")
        book = self.books.setdefault(name, Book())
        is_hold = HOLD in name
        self._check_chain(book, entry, is_hold=is_hold)
        draws = {draw["grant"]: draw for draw in entry.get("draws", ())}
        self._check_sums(book, entry, draws)
        self._check_grants(book, entry, draws, is_hold=is_hold)
        if is_hold:
            self._check_hold(book, entry)
        else:
            self._check_account(book, entry)
            self._check_missing(book, entry)
        if entry["kind"] in CHARGES:
            self._keep_charge(entry)
        if entry["kind"] in BRINGS_BACK and "corrects" in entry:
            self._check_brought_back(entry, is_hold=is_hold)
        elif entry["kind"] == "refund" or "corrects" in entry:
            self._check_refund(entry)
        if entry["kind"] == "revocation" and "hold_id" not in entry:
            self._keep_revocation(entry)
        if entry["kind"] in SHARED:
            self._check_halves(book, entry, is_hold=is_hold)
        book.seq, book.hash, book.at, book.after = entry["seq"], entry["hash"], entry["at"], entry["after"]
        if is_hold and not book.after.get("grants"):
            book.after = {"over": True}  # its name and its head are all that is kept

    def _check_chain(self, book: Book, entry: Entry, *, is_hold: bool) -> None:
        if entry["seq"] != book.seq + 1:
            raise Wrong(f"has seq {entry['seq']} after {book.seq}")
        if entry["prev_hash"] != book.hash and not (book.seq == 0 and is_hold):
            raise Wrong("does not stand on the hash of the entry before it")
        if entry["hash"] != chain_hash(entry):
            raise Wrong("has fields that its hash does not cover")
        if entry["at"] < book.at:
            raise Wrong(f"is at {entry['at']}, before the entry before it")
        if not is_hold and self.heads.pop(entry["seq"], entry["hash"]) != entry["hash"]:
            raise Wrong("has another hash than was logged for it: the chain was written anew")

    def _check_sums(self, book: Book, entry: Entry, draws: dict[str, Draw]) -> None:
        if len(draws) != len(entry.get("draws", ())):
            raise Wrong("draws on one grant twice")
        drawn = sum(draw["credits"] for draw in draws.values())
        if entry["credits"] != drawn:
            raise Wrong(f"moves {entry['credits']} credits, its draws {drawn}")
        book.credits += drawn
        holds = sum(grant["remaining"] for grant in entry["after"].get("grants", ()))
        if not entry["remaining"] == holds == book.credits:
            raise Wrong(
                f"leaves {entry['remaining']} credits, its grants hold {holds}, all entries come to {book.credits}"
            )

    def _check_grants(self, book: Book, entry: Entry, draws: dict[str, Draw], *, is_hold: bool) -> None:
        kind = entry["kind"]
        moves = (IN_A_HOLD if is_hold else IN_AN_ACCOUNT).get(kind)
        for grant_id, draw in draws.items():
            if moves is None or not moves(*moved(draw)):
                raise Wrong(f"moves {grant_id} as no {kind} does")
        if is_hold and kind == "release":
            return  # the parts are gone: see _check_hold
        had, has = grants_of(book.after), grants_of(entry["after"])
        for grant_id in dict.fromkeys([*had, *has, *draws]):
            before, grant, drawn = had.get(grant_id), has.get(grant_id), moved(draws.get(grant_id))
            should = tuple(was + change for was, change in zip(parts(before), drawn))
            if parts(grant) != should:
                raise Wrong(f"leaves {parts(grant)} of the grant {grant_id} ({', '.join(PARTS)}), not {should}")
            if kind == "expiry" and any(drawn) and not "" < (before or {}).get("expires_at", "") <= entry["at"]:
                raise Wrong(f"lets the grant {grant_id} expire before its time")
            if grant:
                self._check_facts(before or {}, grant, kind)
                if not before and not is_hold and not comes(entry, grant):
                    raise Wrong(f"brings the grant {grant_id} into the book and does not give it")
                came = before["credits"] if before else 0
                if kind == "refund" and grant_id in draws and not is_hold:
                    came = max(came, sum(should))
                elif kind in (SHARED if is_hold else GIVES):
                    came += max(drawn[0], 0)
                if min(should) < 0 or sum(should) > came or grant["credits"] != came:
                    raise Wrong(f"leaves {should} of {grant['credits']} credits in {grant_id}, {came} were given")

    def _check_facts(self, before: dict[str, Any], grant: dict[str, Any], kind: str) -> None:
        """What a grant is stays; but what the plan gave is a carryover once its cycle is left. What is recalled of it
        is held, and will go when its hold gives it back."""
        if before:
            stays = grant["kind"] == before["kind"] or (grant["kind"] == "carryover" and before["kind"] in OF_THE_PLAN)
            if not stays or before.get("expires_at") != grant.get("expires_at"):
                raise Wrong(f"makes something else of the grant {grant['id']}")
        (recalled, owing), was = recalled_in([grant]), recalled_in([before])
        rises = recalled > was[0] or owing > was[1]
        wrong = kind not in ("revocation", "release") if rises else kind not in RECALLS and (recalled, owing) != was
        if wrong or not 0 <= owing <= recalled <= grant.get("held", 0):
            raise Wrong(f"recalls {recalled} credits of the grant {grant['id']}, {owing} of them owing")
        missing = grant.get("missing", 0)
        if missing < 0 or (missing if grant["kind"] != "pack" else recalled > missing):
            raise Wrong(f"has {missing} credits missing of the grant {grant['id']}, and {recalled} recalled")

    def _check_account(self, book: Book, entry: Entry) -> None:
        """What the account adds up to, beside its grants."""
        before, after, kind = book.after, entry["after"], entry["kind"]
        total = sum(sum(parts(grant)) for grant in after["grants"]) + after.get("used", 0)
        if entry["total"] != total:
            raise Wrong(f"tells a total of {entry['total']}, its grants and what was used come to {total}")
        if not before:
            if kind != "opened" or any(after.get(name) for name in BEGINS_WITHOUT):
                raise Wrong("is not the opening of an account that has done nothing")
            return
        same = count_of(before) == count_of(after)
        if not same and kind not in BEGINS:
            raise Wrong(f"is in another period than the entry before, and of the kind {kind}")
        self._check_used(entry, before, same)
        self._check_owed(before, entry)
        if "member_used" in entry:
            self._check_count(entry, entry.get("member_id"))

    def _check_used(self, entry: Entry, before: dict[str, Any], same: bool) -> None:
        """What counts as used, and since when."""
        after, kind, credits = entry["after"], entry["kind"], entry["credits"]
        if after.get("counted_from") not in (None, before.get("counted_from"), entry["at"]):
            raise Wrong(f"counts from {after['counted_from']}, when nothing began")
        was, used = before.get("used", 0), after.get("used", 0)
        may_be = [was] if same else [was, 0]
        if kind == "charge":
            may_be = [was - credits]
        elif kind == "release":
            may_be = [was - sum(draw["credits"] + draw.get("held", 0) for draw in entry.get("draws", ()))]
        elif kind == "refund":
            may_be = [was, max(was - credits, 0)]
        if used not in may_be:
            raise Wrong(f"leaves {used} used, and {was} were before it")

    def _check_missing(self, book: Book, entry: Entry) -> None:
        """What a revocation did not find is missing of its pack, until a hold's close takes it or a refund fails."""
        had, has, kind = grants_of(book.after), grants_of(entry["after"]), entry["kind"]
        came = {name: has.get(name, {}).get("missing", 0) - had.get(name, {}).get("missing", 0) for name in had | has}
        came = {name: credits for name, credits in came.items() if credits}
        packs = {draw["grant"]: draw["credits"] for draw in entry.get("draws", ()) if draw["kind"] == "pack"}
        short = entry.get("shortfall", 0)
        right = not came
        if kind == "revocation" and "hold_id" in entry:
            right = came == packs
        elif kind == "revocation" and right:
            right = not (packs and short)
        elif kind == "revocation" or (kind in BRINGS_BACK and short):
            same = book.after.get("owed", 0) == entry["after"].get("owed", 0)
            right = list(came.values()) == [short if kind == "revocation" else -short] and same
            right = right and packs.keys() <= came.keys()
        if not right:
            raise Wrong("has credits of a pack missing that were not to be taken, or has them missing no more")

    def _check_owed(self, before: dict[str, Any], entry: Entry) -> None:
        """What was missing comes on top of what is owed, where it was not forgiven; what is taken may settle it."""
        kind, missing = entry["kind"], entry.get("shortfall", 0)
        was, owed = before.get("owed", 0), entry["after"].get("owed", 0)
        if kind == "release" and missing != self._check_recalled(before["grants"], entry):
            raise Wrong(f"says that {missing} recalled credits were spent and are owed, which is not what was owing")
        if kind in ("adjustment", "release"):
            right = owed == was + missing
        else:
            settles = owed == was + entry["credits"] or was <= owed <= was + missing
            right = owed == was or (kind == "revocation" and settles)
        if not right:
            raise Wrong(f"leaves {owed} owed, and {was} were before it")

    def _check_recalled(self, grants: Iterable[dict[str, Any]], entry: Entry) -> int:
        """What the close of a hold leaves recalled, which is what other holds have. Of each pool, what comes back is
        taken first, owing before forgiven; what no hold has any more was spent, forgiven before owing. Returns what of
        that is owed."""
        after, draws = grants_of(entry["after"]), {draw["grant"]: draw for draw in entry.get("draws", ())}
        pools: dict[str, list[dict[str, Any]]] = {}
        for grant in grants:
            pools.setdefault(pool_of(grant), []).append(grant)
        owed = 0
        for pool in pools.values():
            drawn = [draws[grant["id"]] for grant in pool if grant["id"] in draws]
            recalled, owing = recalled_in(pool)
            if drawn and recalled:
                back = min(recalled, sum(draw["credits"] for draw in drawn))
                held = sum(grant.get("held", 0) for grant in pool) + sum(draw.get("held", 0) for draw in drawn)
                recalled, owing = min(recalled - back, held), max(owing - back, 0)
                owed += max(owing - recalled, 0)
                owing = min(owing, recalled)
            if recalled_in(after.get(grant["id"], {}) for grant in pool) != (recalled, owing):
                raise Wrong(f"leaves recalled of {', '.join(grant['id'] for grant in pool)} what no hold has")
        return owed

    def _check_count(self, entry: Entry, member: str | None) -> None:
        """What a member has spent in the period."""
        if not member:
            raise Wrong("counts a member and names none")
        now, spent, credits = counts_from(entry["after"]), entry["member_used"], entry["credits"]
        since, was = self.counts.get(member, (now, 0))
        was = was if since == now else 0
        if entry["kind"] in ("charge", "hold", "extension"):
            right = spent == was - credits
        elif entry["kind"] == "release":
            right = max(was - credits, 0) <= spent <= was
        else:
            right = spent == was or (entry["kind"] == "refund" and spent == max(was - credits, 0))
        if not right:
            raise Wrong(f"counts {spent} of the member {member}, and {was} were before it")
        self.counts[member] = (now, spent)

    def _check_hold(self, book: Book, entry: Entry) -> None:
        """What a hold adds up to: its close empties it, and changes nothing else."""
        before, after = book.after, entry["after"]
        if before.get("over"):
            raise Wrong("is of a hold that is over")
        if entry["total"] != after["credits"]:
            raise Wrong(f"tells a total of {entry['total']}, the hold has {after['credits']}")
        if "member_used" in entry:
            raise Wrong("counts a member in a hold's book")
        if entry["kind"] == "release":
            rest = {part["id"]: -part["remaining"] for part in before["grants"] if part["remaining"]}
            if "status" not in after or after.get("grants") or by_grant(entry.get("draws", ()), "credits") != rest:
                raise Wrong("does not empty the hold and end it")
            if (after["credits"], after["captured"]) != (before["credits"], before["captured"]):
                raise Wrong("changes at the close what was set aside or captured")
            return
        given_to_it = sum(part["credits"] for part in after["grants"])
        if (after["credits"], after["captured"]) != (given_to_it, given_to_it - entry["remaining"]):
            raise Wrong(f"tells of {after['credits']} credits and {after['captured']} captured, its parts do not")

    def _keep_charge(self, entry: Entry) -> None:
        """Remember what a refund may give back."""
        name = entry["book_id"], entry["key"]
        said = (entry["at"], entry.get("action"), entry.get("member_id"))
        self.charges[name] = (*said, packs_of(entry), -entry["credits"])
        if name in self.refunds:
            self._compare(name)

    def _check_refund(self, entry: Entry) -> None:
        """It names a charge, and stands under the key of that: once, in whichever book."""
        if entry["kind"] != "refund" or "corrects" not in entry:
            raise Wrong("is a refund of nothing, or no refund and corrects something")
        corrects = entry["corrects"]
        name = corrects["book_id"], corrects["key"]
        if entry["key"] != "#".join(filter(None, ("refund", name[0].partition(HOLD)[2], name[1]))):
            raise Wrong("does not stand under the key of what it gives back")
        if name in self.refunds:
            raise Wrong("gives back what another book's entry gave back before")
        said = (corrects["at"], entry.get("action"), entry.get("member_id"))
        self.refunds[name] = (*said, packs_of(entry), entry["credits"])
        if name in self.charges:
            self._compare(name)

    def _keep_revocation(self, entry: Entry) -> None:
        """Remember what may be given back of a pack, should its refund fail."""
        draws = entry.get("draws", ())
        to_take = entry.get("shortfall", 0) - sum(draw["credits"] + draw.get("frozen", 0) for draw in draws)
        short = frozenset(grant["id"] for grant in entry["after"]["grants"] if grant.get("missing"))
        self.revoked[entry["key"]] = (entry["at"], to_take, packs_of(entry) or short)

    def _check_brought_back(self, entry: Entry, *, is_hold: bool) -> None:
        """A pack comes back, once: it names a revocation of that pack, and gives back what that was to take."""
        corrects, draws = entry["corrects"], entry.get("draws", ())
        at, to_take, packs = self.revoked.get(corrects["key"], ("", 0, frozenset()))
        if is_hold or corrects["book_id"] != self.account or corrects["at"] != at:
            raise Wrong("brings back what no revocation took")
        if entry["key"] != f"{corrects['key']}#failed":
            raise Wrong("does not stand under the key of what it brings back")
        if entry["credits"] + entry.get("shortfall", 0) != to_take or not {draw["grant"] for draw in draws} <= packs:
            raise Wrong(f"brings back {entry['credits']} credits of {to_take} that were to be taken, or another pack's")

    def _compare(self, name: tuple[str, str]) -> None:
        """A refund gives back its charge, or a part of it. Within one instant they may come in either order."""
        (*charged, drawn, credits), (*said, into, back) = self.charges[name], self.refunds[name]
        if said != charged:
            raise Wrong("is a refund and a charge of which the one names the other's instant, action or member wrongly")
        if back > credits:
            raise Wrong(f"gives back {back} of {credits} credits")
        if not into <= drawn:
            raise Wrong("gives back to a pack that the charge did not draw on")

    def _check_halves(self, book: Book, entry: Entry, *, is_hold: bool) -> None:
        """What moves credits between an account and a hold is in both books, under one key."""
        other, before = self.alone.pop(entry["key"], (None, {}))
        if other is None:
            self.alone[entry["key"]] = (entry, book.after)
            return
        account, hold, had = (other, entry, book.after) if is_hold else (entry, other, before)
        said = [(half["kind"], half["at"], half["hold_id"]) for half in (account, hold)]
        if HOLD not in hold["book_id"] or HOLD in account["book_id"] or said[0] != said[1]:
            raise Wrong("tells of another thing than its other half")
        if hold["seq"] == 1 and hold["prev_hash"] != account["hash"]:
            raise Wrong("does not stand on the account's entry that opened the hold")
        moves, got = account.get("draws", ()), hold.get("draws", ())
        aside = self.held.setdefault(hold["hold_id"], {})
        if hold["kind"] != "release":
            if by_grant(moves, "held") != by_grant(got, "credits"):
                raise Wrong("sets other credits aside than the hold got")
            for grant_id, credits in by_grant(moves, "held").items():
                aside[grant_id] = aside.get(grant_id, 0) + credits
            return
        if by_grant(moves, "credits") != {name: -credits for name, credits in by_grant(got, "credits").items()}:
            raise Wrong("gives back other credits than the hold had left")
        lets_go = {name: -credits for name, credits in by_grant(moves, "held").items()}
        if not lets_go == aside == {part["id"]: part["credits"] for part in had.get("grants", ())}:
            raise Wrong("lets go of other credits than were set aside")
        del self.held[hold["hold_id"]]


def verify(lines: Iterable[str], heads: Iterable[tuple[int, str]]) -> Verifier:
    """The verifier after all lines. Raises Wrong, which names the first wrong line."""
    verifier = Verifier(heads)
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            entry = read(line)
            verifier.see(entry)
        except Wrong as wrong:
            raise Wrong(f"line {number} {wrong}") from None
    try:
        verifier.end()
    except Wrong as wrong:
        raise Wrong(f"after line {number}: {wrong}") from None
    if not number:
        raise Wrong("line 1 is missing: there are no entries")
    return verifier


def head(text: str) -> tuple[int, str]:
    """A seq and a hash, as --head takes them."""
    seq, _, digest = text.partition(":")
    return int(seq), digest


def main() -> int:
    """Verify one file and say what came of it. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Verify the export of an account's ledger.")
    parser.add_argument("export", help="the file, or - for standard input")
    parser.add_argument("--head", type=head, action="append", default=[], metavar="SEQ:HASH", help="as it was logged")
    given = parser.parse_args()
    try:
        with open(0 if given.export == "-" else given.export, encoding="utf-8") as lines:
            found = verify(lines, given.head)
    except (OSError, UnicodeDecodeError) as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2
    except Wrong as wrong:
        print(f"WRONG: {wrong}")
        return 1
    account = found.books[found.account]
    print(f"{found.account}: {found.entries} entries of {len(found.books)} books hold")
    print(f"{account.credits} credits remain; head {account.seq}:{account.hash}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
