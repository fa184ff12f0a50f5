"""The export of a ledger, and the verifier that an outsider runs on it with a bare Python."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from credits.domain.entry import EntryKind
from credits.errors import AccountNotFound, InvalidRequest
from credits.ledger.export import exported, lines
from credits.ledger.memory import MemoryStore
from credits.ledger.store import Ledger
from tests.forging import FORGERIES, Forgery, forged_lines
from tests.integration.test_audit import lived
from tests.moves import opened
from tests.verifier import TOOL, said_of, said_with, verified
from tests.whole_story import whole_story


@pytest.fixture(scope="module")
def ledger() -> list[str]:
    return list(lines(lived(MemoryStore()), "acme"))


@pytest.fixture(scope="module")
def told() -> list[str]:
    """The whole story."""
    return list(lines(whole_story(MemoryStore()), "acme"))


def flipped(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return f"{value[:-1]}{'x' if value[-1:] != 'x' else 'y'}"


def tampered(record: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The record once for each of its leaves, with that leaf flipped, and once for each of its names, without it."""
    for name, value in record.items() if isinstance(record, dict) else enumerate(record):
        where = f"{path}.{name}"
        put = (
            (lambda new, name=name: record | {name: new})
            if isinstance(record, dict)
            else (lambda new, name=name: [*record[:name], new, *record[name + 1 :]])
        )
        if isinstance(value, dict | list):
            yield from ((deeper, put(changed)) for deeper, changed in tampered(value, where))
        else:
            yield where, put(flipped(value))
        if isinstance(record, dict):
            yield f"{where} taken away", {other: kept for other, kept in record.items() if other != name}


def test_an_export_has_every_entry_in_time_and_nothing_else(store: Ledger) -> None:
    lived(store)

    exported_lines = [json.loads(line) for line in lines(store, "acme")]

    assert [each["seq"] for each in exported_lines] == list(range(1, 17))
    assert {(each["book_id"], each["account_id"]) for each in exported_lines} == {("acme", "acme")}
    assert exported_lines[2]["draws"] == [{"credits": -4, "grant": "g2", "kind": "allocation"}]
    assert exported_lines[15]["remaining"] == 0


def test_an_export_in_pages_is_the_whole(store: Ledger, ledger: list[str]) -> None:
    lived(store)

    first = exported(store, "acme", limit=10)
    second = exported(store, "acme", limit=10, cursor=first.cursor)

    assert [len(first.items), len(second.items), second.cursor] == [10, 6, None]
    assert [entry.hash for entry in (*first.items, *second.items)] == [json.loads(line)["hash"] for line in ledger]


def test_nobody_s_ledger_cannot_be_exported_nor_one_from_a_foreign_place(store: Ledger) -> None:
    opened(store)

    with pytest.raises(AccountNotFound):
        list(lines(store, "nobody"))
    with pytest.raises(InvalidRequest):
        exported(store, "acme", limit=10, cursor="WyJhIl0")


def test_the_verifier_imports_nothing_but_the_standard_library() -> None:
    imports = [line for line in TOOL.read_text().splitlines() if line.startswith(("import ", "from "))]

    assert imports == [
        "from __future__ import annotations",
        "import argparse",
        "import hashlib",
        "import json",
        "import sys",
        "from calendar import monthrange",
        "from typing import Any, Callable, Iterable, NoReturn",
    ]


def test_a_bare_python_verifies_an_export_and_says_its_head(ledger: list[str], tmp_path: Path) -> None:
    file = tmp_path / "acme.jsonl"
    file.write_text("\n".join(ledger) + "\n")
    head = f"16:{json.loads(ledger[15])['hash']}"

    done = verified(file)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"acme: 16 entries of 1 books hold\n0 credits remain; head {head}\n"
    assert verified(file, "--head", head).returncode == 0


def test_what_was_cut_off_or_written_anew_shows_against_a_head_that_was_logged(
    ledger: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "acme.jsonl"
    file.write_text("\n".join(ledger[:12]) + "\n")

    missing = verified(file, "--head", f"16:{json.loads(ledger[15])['hash']}")
    rewritten = verified(file, "--head", f"5:{'0' * 64}")

    assert verified(file).returncode == 0
    assert (missing.returncode, missing.stdout) == (
        1,
        "WRONG: after line 12: the entry 16, whose hash was logged, is not in the file\n",
    )
    assert (rewritten.returncode, rewritten.stdout) == (
        1,
        "WRONG: line 5 has another hash than was logged for it: the chain was written anew\n",
    )


def test_a_file_that_is_no_export_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "acme.jsonl"
    for content, says in (
        ("", "line 1 is missing: there are no entries"),
        ("hello", "line 1 is not JSON"),
        ("[]", "line 1 is not an object"),
        ("{}", "line 1 is not an entry"),
        ('{"a": 1, "a": 1}', "a name stands twice"),
        ('{"a": 1.5}', "1.5 is not a whole number"),
    ):
        file.write_text(content)
        assert says in verified(file).stdout
    assert verified(tmp_path / "nothing").returncode == 2


def test_a_bare_python_verifies_a_story_in_which_everything_happens(told: list[str], tmp_path: Path) -> None:
    file = tmp_path / "acme.jsonl"
    file.write_text("\n".join(told) + "\n")

    done = verified(file)

    assert {json.loads(line)["kind"] for line in told} == set(EntryKind)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("acme: 115 entries of 9 books hold\n400 credits remain; head 87:")


def test_a_change_of_any_field_of_any_kind_of_line_is_found_and_the_line_is_named(told: list[str]) -> None:
    variants = [
        (number, where, json.dumps(record))
        for number, line in enumerate(told)
        for where, record in tampered(json.loads(line))
    ]

    answers = said_with(told, [(number, line) for number, _, line in variants])

    assert len(variants) > 4_000
    for (number, where, _), said in zip(variants, answers, strict=True):
        assert said.startswith(f"line {number + 1} "), (number, where, said)


def test_lines_taken_out_put_in_or_moved_are_found(told: list[str]) -> None:
    books = [json.loads(line)["book_id"] for line in told]
    last = {book: number for number, book in enumerate(books)}
    for number, book in enumerate(books[:-1]):
        without = [*told[:number], *told[number + 1 :]]
        twice = [*told[:number], told[number], *told[number:]]
        swapped = [*told[:number], told[number + 1], told[number], *told[number + 2 :]]
        # The end of the account's chain, or of an open hold's, can be cut off: see --head.
        assert (said_of(without) == "holds") == (book == "acme#hold#run-4" and number == last[book]), number
        assert said_of(twice).startswith(f"line {number + 2} "), number
        # Lines of two books that stand side by side may come in either order.
        if book == books[number + 1]:
            assert said_of(swapped).startswith(f"line {number + 1} "), number


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
def test_a_chain_that_was_written_anew_still_has_to_add_up(forgery: Forgery) -> None:
    """A forger who knows the rule of the hash can write chains of their own; their sums still have to be right."""
    assert said_of(forged_lines(whole_story(MemoryStore()), forgery)) == forgery.verifier_says


def test_a_chain_that_was_written_anew_as_it_was_holds() -> None:
    assert said_of(forged_lines(whole_story(MemoryStore()), None)) == "holds"
