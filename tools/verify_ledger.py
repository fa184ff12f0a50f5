#!/usr/bin/env python3
"""Verify the export of an account's ledger. One file, standard library only, nothing of the ledger's own code.

    python3 verify_ledger.py acme.jsonl
    python3 verify_ledger.py acme.jsonl --head 1204:9f3c…  (a seq and its hash, as it was logged on an earlier day)

The export has a JSON object a line, in time: each is one entry of one book. What is checked of every line:

- `hash` is sha256, in hex, of `prev_hash` and the line's other fields as canonical JSON (keys sorted, no spaces,
  UTF-8); `prev_hash` is the hash of the book's entry before: no line can be changed, left out, added or moved unseen
- `seq` counts 1, 2, 3 … within the book, and `at` never goes back
- `credits` is the sum of the draws; `remaining` and `total` are what the book holds after it (`after`)
- every single grant moves by its draws and by nothing else, never below zero, never above what was given
- a hold's book begins at the account's entry that opened it, and its parts are what the account set aside

The end of a file can be cut off unseen by all of that: compare the head that is printed with the account's, or give
one that was logged with --head. Exit status: 0 it holds, 1 it does not (the first wrong line is named), 2 unreadable.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from typing import Any, Iterable, NoReturn

Entry = dict[str, Any]

PARTS = ("remaining", "held", "frozen")
HOLD = "#hold#"
SHARED = ("hold", "extension", "release")


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


def parts(grant: dict[str, Any]) -> tuple[int, ...]:
    """What remains of a grant, what is held and what is frozen of it."""
    return tuple(grant.get(part, 0) for part in PARTS)


class Book:
    """One book, as its entries so far tell it."""

    def __init__(self) -> None:
        self.seq = 0
        self.hash = ""
        self.at = ""
        self.credits = 0
        self.grants: dict[str, tuple[int, ...]] = {}


class Verifier:
    """Takes the entries one after the other; raises Wrong at the first that does not hold."""

    def __init__(self, heads: Iterable[tuple[int, str]]) -> None:
        self.account = ""
        self.books: dict[str, Book] = {}
        self.entries = 0
        self.heads = dict(heads)
        self.alone: dict[
            str, tuple[Entry, bool]
        ] = {}  # entries in two books at once, of which one half was seen: by their key

    def see(self, entry: Entry) -> None:
        """Check one entry."""
        try:
            self._check(entry)
        except (KeyError, TypeError, AttributeError) as error:
            raise Wrong(f"is not an entry: {type(error).__name__} {error}") from None
        self.entries += 1

    def end(self) -> None:
        """Check what only the end can tell."""
        for seq in sorted(self.heads):
            raise Wrong(f"the entry {seq}, whose hash was logged, is not in the file")
        for key in self.alone:
            raise Wrong(f"the entry {key} is in one book only, and belongs in two")

    def _check(self, entry: Entry) -> None:
        account, name = entry["account_id"], entry["book_id"]
        self.account = self.account or account
        if account != self.account or name.partition("#")[0] != account:
            raise Wrong(f"is of {name}, in the ledger of {self.account}")
        book = self.books.setdefault(name, Book())
        if entry["seq"] != book.seq + 1:
            raise Wrong(f"has seq {entry['seq']} after {book.seq}")
        if entry["prev_hash"] != book.hash and not (book.seq == 0 and HOLD in name):
            raise Wrong("does not stand on the hash of the entry before it")
        if entry["hash"] != chain_hash(entry):
            raise Wrong("has fields that its hash does not cover")
        if entry["at"] < book.at:
            raise Wrong(f"is at {entry['at']}, before the entry before it")
        if name == account and self.heads.pop(entry["seq"], entry["hash"]) != entry["hash"]:
            raise Wrong("has another hash than was logged for it: the chain was written anew")
        self._check_sums(book, entry, is_hold=HOLD in name)
        if entry["kind"] in SHARED:
            self._check_halves(entry, is_hold=HOLD in name)
        book.seq, book.hash, book.at = entry["seq"], entry["hash"], entry["at"]
        if HOLD in name and not entry["after"].get("grants"):
            book.grants = {}  # it is over: its name and its head are all that is kept

    def _check_sums(self, book: Book, entry: Entry, *, is_hold: bool) -> None:
        after = {grant["id"]: grant for grant in entry["after"].get("grants", ())}
        draws = entry.get("draws", ())
        moved = sum(draw["credits"] for draw in draws)
        if entry["credits"] != moved:
            raise Wrong(f"moves {entry['credits']} credits, its draws {moved}")
        book.credits += moved
        holds = sum(grant["remaining"] for grant in after.values())
        if not entry["remaining"] == holds == book.credits:
            raise Wrong(
                f"leaves {entry['remaining']} credits, its grants hold {holds}, all entries come to {book.credits}"
            )
        if not is_hold:
            total = sum(sum(parts(grant)) for grant in after.values()) + entry["after"].get("used", 0)
            if entry["total"] != total:
                raise Wrong(f"tells a total of {entry['total']}, its grants and what was used come to {total}")
        for draw in draws:
            has = book.grants.get(draw["grant"], (0, 0, 0))
            changes = (draw["credits"], draw.get("held", 0), draw.get("frozen", 0))
            book.grants[draw["grant"]] = tuple(map(sum, zip(has, changes)))
        for grant_id in book.grants.keys() | after.keys():
            should, has = book.grants.get(grant_id, (0, 0, 0)), parts(after.get(grant_id, {}))
            if should != has:
                raise Wrong(f"leaves {has} of the grant {grant_id} ({', '.join(PARTS)}); its entries come to {should}")
            if min(has) < 0 or sum(has) > after.get(grant_id, {}).get("credits", 0):
                raise Wrong(f"leaves {has} of the grant {grant_id}, which was {after[grant_id]['credits']} credits")
        book.grants = {grant_id: parts(grant) for grant_id, grant in after.items()}

    def _check_halves(self, entry: Entry, *, is_hold: bool) -> None:
        """What moves credits between an account and a hold is in both books, under one key."""
        other = self.alone.pop(entry["key"], None)
        if other is None:
            self.alone[entry["key"]] = (entry, is_hold)
            return
        account, hold = (other[0], entry) if is_hold else (entry, other[0])
        if other[1] == is_hold or (account["kind"], account["at"]) != (hold["kind"], hold["at"]):
            raise Wrong("tells of another thing than its other half")
        if hold["seq"] == 1 and hold["prev_hash"] != account["hash"]:
            raise Wrong("does not stand on the account's entry that opened the hold")
        given = {draw["grant"]: draw.get("held", 0) for draw in account.get("draws", ()) if draw.get("held", 0)}
        got = {draw["grant"]: draw["credits"] for draw in hold.get("draws", ()) if draw["credits"]}
        if hold["kind"] != "release" and given != got:
            raise Wrong("sets other credits aside than the hold got")


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
