"""Meters, as they are moved."""

from typing import Annotated

from pydantic import Field

from credits.runtime.wire.shape import NotZero, Request


class KnowledgeWordsRequest(Request):
    """How many words of knowledge there are now."""

    value: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000_000)]


class WorkflowsRequest(Request):
    """How many workflows were started (or stopped, where it is negative)."""

    change: Annotated[int, Field(strict=True, ge=-1_000_000, le=1_000_000), NotZero]
