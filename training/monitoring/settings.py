"""How often an alarm may be false, and what the charts look for."""

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class MonitoringSettings:
    """What the alarms keep to; all numbers are choices, and stand on the page.

    Attributes
    ----------
    outcomes_per_year, predictions_per_year : int
        As many as are expected, or more: with fewer, alarms are false less often than stated.
    shift : float
        The shift of calibration that the charts are tuned to, in log-odds. A chart tuned to 0.4
        finds one of 0.5 within 300 outcomes more often than a chart tuned to 0.5, where 1,000 a
        year are expected (`training.monitoring.cusum.alarm_chance`: 82 against 81 %, of predictions
        with an SD of 0.8 in log-odds).
    window : int
        Predictions that are compared with the training patients at once.
    false_alarms_per_year : float
        Chance of any false alarm in a year, over all charts.
    calibration_part : float
        The part of it given to the charts of calibration; the rest is shared by all others.
    models : int
        That share the chance: one before treatment, and one for each week of the course.
    """

    outcomes_per_year: int = 1_000
    predictions_per_year: int = 1_000
    shift: float = 0.4
    window: int = 100
    false_alarms_per_year: float = 0.05
    calibration_part: float = 0.9
    models: int = 1

    @property
    def of_this_model(self) -> float:
        """Accepted chance of a false alarm a year, over all charts of one model."""
        return self.false_alarms_per_year / self.models

    @property
    def of_each_calibration_chart(self) -> float:
        """Accepted chance of a false alarm a year: one chart looks up, one down."""
        return self.of_this_model * self.calibration_part / 2

    def of_each_comparison(self, n_comparisons: int) -> float:
        """Return the accepted chance of a false verdict of one of the comparisons of a window."""
        windows = ceil(self.predictions_per_year / self.window)
        shared = self.of_this_model * (1 - self.calibration_part)
        return shared / (windows * n_comparisons)
