"""A figure and the budget it is held to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; `budget` is the most it may be."""

    name: str
    value: float
    budget: float
    note: str = ""

    @property
    def within(self) -> bool:
        """Whether the budget holds."""
        return self.value <= self.budget


def table(figures: list[Figure]) -> str:
    """The figures as a table for a terminal."""
    width = max(len(figure.name) for figure in figures)
    lines = [f"{'':{width}}   measured     budget"]
    for figure in figures:
        verdict = "ok  " if figure.within else "OVER"
        lines.append(f"{figure.name:{width}}  {figure.value:>9.2f}  {figure.budget:>9.2f}  {verdict}  {figure.note}")
    return "\n".join(lines)
