"""Which counts of patients may leave the clinic."""

from collections.abc import Sequence
from typing import Final

# The usual rule of statistical offices: cells of fewer than five people are not published.
SMALLEST_CELL: Final = 5


def may_be_shown(counts: Sequence[int]) -> list[bool]:
    """Return which cells of one table may be shown.

    Small cells are withheld, and so are the next smallest until two or more are withheld that
    hold five people together, or the total would tell what was withheld.
    """
    shown = [count >= SMALLEST_CELL for count in counts]
    hidden = [count for count in counts if count < SMALLEST_CELL]
    for count, place in sorted((count, place) for place, count in enumerate(counts)):
        enough = len(hidden) > 1 and sum(hidden) >= SMALLEST_CELL
        if not hidden or enough:
            break
        if shown[place]:
            shown[place] = False
            hidden.append(count)
    return shown
