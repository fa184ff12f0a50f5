"""The audit of a ledger, as it is answered."""

from dataclasses import asdict

from pydantic import Field

from credits.ledger.audit import Audit as Verdict
from credits.runtime.wire.shape import Answer


class Finding(Answer):
    """One thing that does not hold. Without a `key` it is the item itself that is wrong."""

    seq: int = Field(description="Of the entry in its book; of the item without a `key`; 0 where none can be read.")
    key: str | None
    problem: str
    hold_id: str | None = Field(description="The hold in whose book it is; null for the account's own.")
    member_id: str | None = Field(description="The member whose item it is.")


class Audit(Answer):
    """Whether the ledger holds, over how many entries; the problems stand in the order of the ledger."""

    ok: bool
    entries: int
    problems: list[Finding]

    @classmethod
    def of(cls, verdict: Verdict) -> "Audit":
        """The verdict as it is shown."""
        return cls(
            ok=verdict.ok,
            entries=verdict.entries,
            problems=[Finding(**asdict(each)) for each in verdict.problems],
        )
