"""What all shapes have in common."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from credits.catalog import MOST_SEATS, load


def _not_zero(number: int) -> int:
    if not number:
        raise ValueError("must not be 0")
    return number


POLICIES: Final = load().policies
ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$"
"""What an id is made of. `#` is not in it: stored keys are put together with it."""

Id = Annotated[str, Field(pattern=ID)]
Title = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Model = Annotated[str, Field(min_length=1, max_length=100)]
Quantity = Annotated[int, Field(strict=True, ge=1, le=POLICIES.largest_quantity)]
Seats = Annotated[int, Field(strict=True, ge=1, le=MOST_SEATS)]
NotZero = AfterValidator(_not_zero)
Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Request(BaseModel):
    """A body that is asked: a field it does not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """A body that is answered."""

    model_config = ConfigDict(frozen=True)
