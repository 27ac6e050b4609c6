"""What the report's tables are made from: estimates with intervals, cells, tables and pictures."""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from typing import Final, Literal
from xml.sax.saxutils import unescape

import pandas as pd

from data_schemas.errors import DataError
from training.summary import EVALUATION_FILE, JUDGED_WITHIN_SITES

_COLUMNS: Final = (
    "model", "split", "metric", "threshold", "estimate", "lower", "upper", "n", "outcome",
)  # fmt: skip

_SIZE: Final = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
_CIRCLE: Final = re.compile(
    r'<circle cx="([-\d.]+)" cy="([-\d.]+)" r="6"><title>(.*?)</title></circle>'
)


@dataclass(frozen=True)
class Metric:
    """How a metric is called, where it is explained, its decimals, and which direction is good."""

    label: str
    term: str
    digits: int
    better: Literal["higher", "lower", ""] = ""


# In the order of the tables; `term` is the anchor of the definition in the glossary.
ACCURACY: Final = {
    "auroc": Metric("AUROC (chance 0.5)", "auroc", 2, "higher"),
    "auprc": Metric("AUPRC", "auprc", 2, "higher"),
    "brier": Metric("Brier score", "brier", 3, "lower"),
    "brier_scaled": Metric("Scaled Brier score", "brier-scaled", 3, "higher"),
    "log_loss": Metric("Log loss", "log-loss", 3, "lower"),
}
CALIBRATION: Final = {
    "calibration_slope": Metric("Slope (ideal 1)", "calibration-slope", 2),
    "calibration_intercept": Metric("Intercept (ideal 0)", "calibration-intercept", 2),
    "o_to_e": Metric("Observed to expected (ideal 1)", "o-to-e", 2),
    "ici": Metric("Average error, ICI (ideal 0)", "ici", 3),
}

SLOPE: Final = "calibration_slope"
# As far as from chances that mean nothing (0) to chances half as far apart as they should be (2).
_WIDEST_SLOPE: Final = 2.0
_UNSTEADY: Final = "(unsteady)"
_UNSTEADY_NOTE: Final = (
    "Unsteady: the interval of such a slope is longer than 2, so it does not tell chances that "
    "mean nothing (0) from chances that are half as far apart as they should be (2). The patients "
    "are too few, or their chances too alike; where chances hardly differ at all, a slope may be "
    "of any size."
)


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; NaN ends where it has none."""

    value: float
    lower: float
    upper: float
    n: int

    @property
    def has_interval(self) -> bool:
        """Whether both ends are known."""
        return not (isnan(self.lower) or isnan(self.upper))

    @property
    def never_moves(self) -> bool:
        """Whether the interval is the value alone, as where every patient has the same chance."""
        return self.lower == self.value == self.upper

    @property
    def is_unsteady_slope(self) -> bool:
        """Whether, as a calibration slope, it is too uncertain to be read."""
        return self.has_interval and self.upper - self.lower > _WIDEST_SLOPE

    def number(self, digits: int = 2, sign: str = "") -> str:
        """Return the number alone, rounded; "not defined" where there is none."""
        return "not defined" if isnan(self.value) else f"{self.value:{sign}z.{digits}f}"

    def interval(self, digits: int = 2, sign: str = "") -> str:
        """Return the interval as "0.57 to 0.65"; empty where there is none, or no width."""
        ends = f"{self.lower:{sign}z.{digits}f} to {self.upper:{sign}z.{digits}f}"
        told = self.has_interval and not self.never_moves and not isnan(self.value)
        return ends if told else ""

    def text(self, digits: int = 2, sign: str = "") -> str:
        """Return "0.61 (0.57 to 0.65)"."""
        interval = self.interval(digits, sign)
        return self.number(digits, sign) + (f" ({interval})" if interval else "")


@dataclass(frozen=True)
class Cell:
    """One cell of a table: what it says, smaller print below it, and a mark such as "best"."""

    text: str
    detail: str = ""
    mark: str = ""
    anchor: str = ""


def estimate_cell(
    estimate: Estimate | None, digits: int = 2, *, best: bool = False, sign: str = ""
) -> Cell:
    """Return an estimate above its interval."""
    if estimate is None:
        return Cell("not defined")
    mark = "best" if best else ""
    alike = sign and estimate.never_moves and estimate.value == 0
    detail = "no difference" if alike else estimate.interval(digits, sign)
    return Cell(estimate.number(digits, sign), detail, mark)


def metric_cell(
    name: str, estimate: Estimate | None, metric: Metric, *, best: bool = False
) -> Cell:
    """Return an estimate of a metric above its interval, with what forbids to read it."""
    cell = estimate_cell(estimate, metric.digits, best=best)
    if estimate is None:
        return cell
    if name == SLOPE and estimate.is_unsteady_slope:
        return replace(cell, detail=f"{cell.detail} {_UNSTEADY}")
    if name == "auroc" and estimate.never_moves:
        return replace(cell, detail="the same chance for all")
    return cell


@dataclass(frozen=True)
class Table:
    """A table with its caption and notes; the first cell of each row is the row's header."""

    caption: str
    header: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def note(self) -> str:
        """What has to be said below it; empty where nothing has."""
        details = (cell.detail for row in self.rows for cell in row)
        return _UNSTEADY_NOTE if any(_UNSTEADY in detail for detail in details) else ""


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, what it shows for those who cannot see it, and its table.

    `values` is JSON: where on the picture, in percent from the left and the top, which value is
    drawn, for those who point at it.
    """

    source: str
    alt: str
    caption: str
    table: Table | None
    values: str = "[]"


def picture(svg: str, alt: str, caption: str, table: Table | None = None) -> Picture:
    """Wrap SVG text for an `<img>`, where its ids cannot meet those of another picture."""
    encoded = base64.b64encode(svg.encode()).decode("ascii")
    return Picture(f"data:image/svg+xml;base64,{encoded}", alt, caption, table, _values(svg))


def _values(svg: str) -> str:
    """Return what the picture's hidden circles tell; see `training.report.canvas.svg`."""
    size = _SIZE.search(svg)
    if size is None:
        return "[]"
    width, height = (float(side) / 100 for side in size.groups())
    found = [
        [round(float(x) / width, 1), round(float(y) / height, 1), unescape(told)]
        for x, y, told in _CIRCLE.findall(svg)
    ]
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def table(caption: str, header: Iterable[object], rows: Iterable[Iterable[object]]) -> Table:
    """Build a table; what is not a cell yet becomes one as text."""
    return Table(caption, _cells(header), tuple(_cells(row) for row in rows))


def _cells(values: Iterable[object]) -> tuple[Cell, ...]:
    return tuple(value if isinstance(value, Cell) else Cell(str(value)) for value in values)


class Evaluation:
    """The rows of `evaluation.csv`, by what the report asks of them.

    Parameters
    ----------
    frame : DataFrame
        Tidy: `model, split, metric, threshold, estimate, lower, upper, n, outcome`.
    split : str
        The primary split; rows of others are asked for by name.
    outcome : str
        Whose rows are meant.
    """

    def __init__(self, frame: pd.DataFrame, split: str, outcome: str) -> None:
        self._all_outcomes = frame
        self._frame = frame[frame["outcome"] == outcome]
        self.split = split

    @classmethod
    def read(cls, folder: Path, split: str, outcome: str) -> "Evaluation":
        """Read the table of a finished run.

        Raises
        ------
        DataError
            When it is absent or lacks a column.
        """
        path = folder / EVALUATION_FILE
        try:
            frame = pd.read_csv(path)
        except (OSError, ValueError):
            raise DataError(f"{path} cannot be read; train the model again.") from None
        if missing := [name for name in _COLUMNS if name not in frame]:
            raise DataError(f"{path} lacks the columns {', '.join(missing)}; train again.")
        return cls(frame, split, outcome)

    @property
    def frame(self) -> pd.DataFrame:
        """The rows of this outcome."""
        return self._frame

    def of_outcome(self, outcome: str) -> "Evaluation":
        """Return the same table for another outcome."""
        return Evaluation(self._all_outcomes, self.split, outcome)

    def at(self, model: str, split: str, metric: str) -> Estimate | None:
        """Return a metric without threshold on exactly one split; None where there is none."""
        found = self._scalars(metric)
        found = found[(found["model"] == model) & (found["split"] == split)]
        return None if found.empty else _estimate(found.iloc[0])

    def splits(self, prefix: str) -> list[str]:
        """Return the splits whose name begins so, in the order of the table, without the prefix."""
        names = self._frame["split"].drop_duplicates()
        return [str(name).removeprefix(prefix) for name in names if str(name).startswith(prefix)]

    def estimate(self, model: str, metric: str) -> Estimate | None:
        """Return a metric without threshold over all held-out patients; None where undefined.

        What is not meaningful across held-out sites is that within them.
        """
        places = [self.split, f"{self.split}/within_site"]
        if metric in JUDGED_WITHIN_SITES:
            places.reverse()
        found = (self.at(model, place, metric) for place in places)
        return next((estimate for estimate in found if estimate), None)

    def average_site(self, model: str, metric: str) -> Estimate | None:
        """Return the random-effects mean of a metric over sites; None where there is none."""
        return self.at(model, f"{self.split}/within_site", metric)

    def curves(self, models: Iterable[str], *metrics: str) -> pd.DataFrame:
        """Return the rows of metrics that have thresholds, by model, metric and threshold."""
        frame = self._frame
        found = frame[
            frame["split"].isin((self.split, f"{self.split}/within_site"))
            & frame["metric"].isin(metrics)
            & frame["model"].isin(list(models))
            & frame["threshold"].notna()
        ]
        return found.sort_values(["model", "metric", "threshold"], kind="stable")

    def sites(self, model: str, metric: str) -> dict[str, Estimate]:
        """Return a metric at each held-out site that has one."""
        prefix = f"{self.split}/site="
        found = self._scalars(metric)
        found = found[found["split"].str.startswith(prefix) & (found["model"] == model)]
        return {
            str(row["split"]).removeprefix(prefix): _estimate(row) for _, row in found.iterrows()
        }

    def _scalars(self, metric: str) -> pd.DataFrame:
        frame = self._frame
        return frame[(frame["metric"] == metric) & frame["threshold"].isna()]


def _estimate(row: "pd.Series[float]") -> Estimate:
    return Estimate(float(row["estimate"]), float(row["lower"]), float(row["upper"]), int(row["n"]))
