"""The audit of a ledger, as it is answered."""

from credits.ledger.audit import Audit as Verdict
from credits.runtime.wire.shape import Answer


class Finding(Answer):
    """One thing that does not hold. Without a `key` it is the account's own item that is wrong."""

    seq: int
    key: str | None
    problem: str


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
            problems=[Finding(seq=each.seq, key=each.key, problem=each.problem) for each in verdict.problems],
        )
