"""A source of events, as the pump sees it, and what one hears of the function it sends to."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Source(Protocol):
    """A queue, a stream or a schedule, and the function it leads to."""

    def turn(self) -> bool:
        """Sends what there is, one batch at most, and acts on the outcome. False where there was nothing to send."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended: with what the handler returned, or with an error."""

    result: Any = None
    error: str | None = None

    def failed(self, identifiers: Collection[str], *, reports: bool) -> set[str]:
        """Which records of the batch are to be sent again, by Lambda's rules for `batchItemFailures`.

        `reports` says whether the source reads them at all. A name that is not in the batch, an empty one, and a report
        that cannot be read mean all of them, as an error does.
        """
        everything = set(identifiers)
        if self.error is not None:
            return everything
        if not reports or self.result is None:
            return set()
        if not isinstance(self.result, Mapping):
            return everything
        match self.result.get("batchItemFailures"):
            case None:
                return set()
            case list(failures):
                named = {str(each.get("itemIdentifier")) if isinstance(each, dict) else "" for each in failures}
                return everything if named - everything else named
            case _:
                return everything


# Invokes the function that a source leads to.
Send = Callable[[Any], Outcome]

# Says one line to whoever watches the stack.
Say = Callable[[str], None]
