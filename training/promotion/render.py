"""A challenge as a table for the terminal."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from training.promotion.comparison import Compared
from training.promotion.promote import Challenge
from training.promotion.reasons import LABELS, is_worse


def render_challenge(found: Challenge) -> RenderableType:
    """Return the comparison as something that `rich` prints."""
    if found.evidence is None:
        return Text("Nothing was compared.")
    evidence = found.evidence
    title = (
        f"Version {found.version} against the champion, version {found.before.champion}: "
        f"{evidence.n_patients} patients {evidence.patients}"
    )
    remark = "Differences of calibration are differences of the distance from 1 and from 0."
    parts: list[RenderableType] = [Text(title), _table(evidence.compared), Text(remark)]
    for week in evidence.course:
        parts += [
            Text(f"At week {week.week:g} of treatment, {week.n_patients} patients"),
            _table(week.compared),
        ]
    if evidence.abstained is not None:
        declined = "No answer for {} (challenger) and {} (champion) of them."
        parts.append(Text(declined.format(*evidence.abstained)))
    return Group(*parts)


def _table(compared: Iterable[Compared]) -> Table:
    table = Table("", "champion", "challenger", "difference", "95 % interval")
    for each in compared:
        interval = f"{each.lower:+.3f} to {each.upper:+.3f}" if each.has_interval else ""
        table.add_row(
            LABELS[each.metric],
            f"{each.champion:.3f}",
            f"{each.challenger:.3f}",
            f"{each.difference:+.3f}",
            interval,
            style="red" if is_worse(each) else None,
        )
    return table
