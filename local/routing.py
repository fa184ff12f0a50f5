"""Which route a request takes: API Gateway's rules ("Create routes for HTTP APIs", routing API requests)."""

from collections.abc import Iterable
from dataclasses import dataclass

from local.template import Route


@dataclass(frozen=True, slots=True)
class Match:
    route: Route
    path_parameters: dict[str, str]


class Router:
    """Finds the best route for a method and a decoded path: a literal segment before a {variable}, that before a greedy
    {variable+}, the method itself before ANY, and `$default` after everything else."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(routes)

    def match(self, method: str, path: str) -> Match | None:
        """None where API Gateway answers 404: no such path, or none with this method."""
        found = [
            (_weight(route), Match(route, parameters))
            for route in self._routes
            if route.method in {method, "ANY"} and (parameters := _parameters(route, path)) is not None
        ]
        return max(found, key=lambda weighed: weighed[0])[1] if found else None


def _parameters(route: Route, path: str) -> dict[str, str] | None:
    """The path's values for the route's variables; None where the path is not the route's."""
    if route.path == "$default":
        return {}
    wanted, given = route.path.split("/"), path.split("/")
    if wanted[-1].endswith("+}"):
        wanted, given = (
            [*wanted[:-1], wanted[-1].replace("+}", "}")],
            [
                *given[: len(wanted) - 1],
                "/".join(given[len(wanted) - 1 :]),
            ],
        )
    if len(wanted) != len(given):
        return None
    parameters = {}
    for segment, value in zip(wanted, given, strict=True):
        if segment.startswith("{"):
            if not value:
                return None
            parameters[segment.strip("{}")] = value
        elif segment != value:
            return None
    return parameters


def _weight(route: Route) -> tuple[list[int], bool]:
    def of(segment: str) -> int:
        return 2 if not segment.startswith("{") else 0 if segment.endswith("+}") else 1

    path = [] if route.path == "$default" else [of(segment) for segment in route.path.split("/")]
    return path, route.method != "ANY"
