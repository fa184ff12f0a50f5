"""Lists: newest first, `limit` at a time, on from `starting_after` or back from `ending_before`."""

from collections.abc import Callable, Iterable

from local.stripe.fault import missing
from local.stripe.params import Params
from local.stripe.state import State, Thing, require

DEFAULT_LIMIT = 10
HIGHEST_LIMIT = 100

# The parameters that every list takes.
PAGING = ("limit", "starting_after", "ending_before")


def page(things: Iterable[Thing], params: Params, url: str) -> Thing:
    """One page of the things, which are in the order of the list. Raises a 400 for a cursor that is not among them."""
    limit = params.integer("limit", DEFAULT_LIMIT, lowest=1) or DEFAULT_LIMIT
    require(limit <= HIGHEST_LIMIT, f"This value must be less than or equal to {HIGHEST_LIMIT}.", param="limit")
    after, before = params.text("starting_after"), params.text("ending_before")
    require(not (after and before), "You can only pass one of these parameters: starting_after, ending_before.")
    listed = list(things)
    names = [thing["id"] for thing in listed]
    for param, name in (("starting_after", after), ("ending_before", before)):
        if name is not None and name not in names:
            raise missing("object", name, param=param, status=400)
    if before is not None:
        listed = listed[: names.index(before)]
        shown = listed[-limit:]
    else:
        listed = listed[names.index(after) + 1 :] if after is not None else listed
        shown = listed[:limit]
    return {"object": "list", "url": url, "has_more": len(listed) > len(shown), "data": shown}


def newest(
    state: State, kind: str, params: Params, url: str, matches: Callable[[Thing], bool] = lambda _: True
) -> Thing:
    """A page of the objects of a kind that match, newest first, filtered by `created` as well."""
    created = params.range("created")
    found = [each for each in state.all(kind) if matches(each) and created(int(each.get("created") or each["date"]))]
    return page(found[::-1], params, url)
