"""The export of a ledger, and the verifier that an outsider runs on it with a bare Python."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from credits.errors import AccountNotFound, InvalidRequest
from credits.ledger.export import exported, lines
from credits.ledger.memory import MemoryStore
from credits.ledger.spend import refund_charge
from credits.ledger.store import Ledger
from local.template import ROOT
from tests.integration.test_audit import lived, lived_with_holds
from tests.moves import CATALOG, NOON, opened

TOOL = ROOT / "tools" / "verify_ledger.py"

# Runs in a bare Python: verifies each of many exports, and says of each what the tool would.
MANY = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("tool", sys.argv[1])
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)
for export in json.load(sys.stdin):
    try:
        tool.verify(export, [])
        print(json.dumps("holds"))
    except tool.Wrong as wrong:
        print(json.dumps(str(wrong)))
"""


@pytest.fixture(scope="module")
def ledger() -> list[str]:
    return list(lines(lived(MemoryStore()), "acme"))


@pytest.fixture(scope="module")
def with_holds() -> list[str]:
    """Two holds, one of them over and a capture of it given back; and a member."""
    store = lived_with_holds(MemoryStore())
    refund_charge(store, CATALOG, "acme", "run-1!k1", None, "it failed", now=NOON + timedelta(minutes=4))
    return list(lines(store, "acme"))


def verified(file: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The tool as an outsider runs it: no site packages, no environment, nothing of ours on the path."""
    command = [sys.executable, "-I", "-S", str(TOOL), str(file), *arguments]
    return subprocess.run(command, cwd=file.parent, capture_output=True, text=True, timeout=60, check=False)


def said_of(exports: list[list[str]]) -> list[str]:
    """What a bare Python says of each export."""
    command = [sys.executable, "-I", "-S", "-c", MANY, str(TOOL)]
    done = subprocess.run(command, input=json.dumps(exports), capture_output=True, text=True, timeout=120, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


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
        "from typing import Any, Iterable, NoReturn",
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


def test_a_change_of_any_field_of_any_line_is_found_and_the_line_is_named(ledger: list[str]) -> None:
    variants: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(ledger):
        for where, record in tampered(json.loads(line)):
            variants.append((number + 1, where, [*ledger[:number], json.dumps(record), *ledger[number + 1 :]]))

    told = said_of([export for *_, export in variants])

    assert len(variants) > 1_000
    for (number, where, _), said in zip(variants, told, strict=True):
        assert said.startswith(f"line {number} "), (number, where, said)


def test_a_bare_python_verifies_the_books_of_holds(with_holds: list[str], tmp_path: Path) -> None:
    file = tmp_path / "acme.jsonl"
    file.write_text("\n".join(with_holds) + "\n")

    done = verified(file)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("acme: 12 entries of 3 books hold\n270 credits remain; head 7:")


def test_a_change_of_any_field_of_any_line_beside_holds_is_found(with_holds: list[str]) -> None:
    variants = [
        (number, where, [*with_holds[:number], json.dumps(record), *with_holds[number + 1 :]])
        for number, line in enumerate(with_holds)
        for where, record in tampered(json.loads(line))
    ]

    told = said_of([export for *_, export in variants])

    assert len(variants) > 500
    for (number, where, _), said in zip(variants, told, strict=True):
        assert said.startswith(f"line {number + 1} "), (number, where, said)


def test_lines_taken_out_put_in_or_moved_are_found(ledger: list[str]) -> None:
    without = [[*ledger[:number], *ledger[number + 1 :]] for number in range(15)]
    twice = [[*ledger[:number], ledger[number], *ledger[number:]] for number in range(16)]
    swapped = [[*ledger[:n], ledger[n + 1], ledger[n], *ledger[n + 2 :]] for n in range(15)]

    told = said_of([ledger, *without, *twice, *swapped])

    assert told[0] == "holds"
    assert [said.split(" has seq")[0] for said in told[1:16]] == [f"line {number}" for number in range(1, 16)]
    assert all(said.startswith("line ") for said in told[1:])


def test_a_chain_that_was_written_anew_still_has_to_add_up(ledger: list[str]) -> None:
    """A forger who knows the rule of the hash can write a chain of his own; the sums of it still have to be right."""

    def rewritten(change: dict[str, Any]) -> list[str]:
        head, forged = "", []
        for line in ledger:
            record = json.loads(line)
            if record["seq"] == 5:
                record |= change
            body = {name: value for name, value in record.items() if name not in {"hash", "prev_hash"}}
            text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            record |= {"prev_hash": head, "hash": hashlib.sha256((head + text).encode()).hexdigest()}
            head = record["hash"]
            forged.append(json.dumps(record))
        return forged

    told = said_of(
        [rewritten({}), *(rewritten(change) for change in ({"credits": 9}, {"remaining": 900}, {"total": 1}))]
    )

    assert told[0] == "holds"
    assert told[1] == "line 5 moves 9 credits, its draws 7"
    assert told[2].startswith("line 5 leaves 900 credits, its grants hold")
    assert told[3].startswith("line 5 tells a total of 1")
