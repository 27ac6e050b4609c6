"""`tms-response monitor`, for cron; its imports stand inside, so that `--help` answers at once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

ALARM_EXIT_CODE: Final = 20


def monitor(
    model: Annotated[
        str, typer.Option(help="The model that was served: a folder, or models:/NAME@ALIAS.")
    ] = "models:/tms-response@champion",
    *,
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("monitor.html"),
    week: Annotated[
        float | None, typer.Option(help="Look at the model of this week of treatment instead.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Only predictions from this day on, in UTC, as when what was wrong is mended.",
        ),
    ] = None,
    metrics: Annotated[
        Path | None, typer.Option(help="Also write gauges for Prometheus: a file ending in .prom.")
    ] = None,
    outcomes_per_year: Annotated[
        int, typer.Option(help="Outcomes expected in a year, at most.", min=20, max=10_000)
    ] = 1_000,
    predictions_per_year: Annotated[
        int, typer.Option(help="Predictions expected in a year, at most.", min=20, max=1_000_000)
    ] = 1_000,
    window: Annotated[
        int, typer.Option(help="Predictions compared with training at once.", min=50, max=10_000)
    ] = 100,
) -> None:
    """Look for drift and lost calibration in the ledger; exits 20 when there is an alarm."""
    from serving.predictor import ResponsePredictor
    from serving.registry import resolve_model
    from training.course.member import member_of, weeks_beside
    from training.monitoring.gauges import write_gauges
    from training.monitoring.ledger import read_ledger
    from training.monitoring.monitor import monitor as judge
    from training.monitoring.page import write_page
    from training.monitoring.settings import MonitoringSettings

    check_paths(out, metrics)
    predictor = ResponsePredictor.load(resolve_model(model))
    settings = MonitoringSettings(
        outcomes_per_year=outcomes_per_year,
        predictions_per_year=predictions_per_year,
        window=window,
        models=len(predictor.versions),
    )
    begun = None if since is None else since.replace(tzinfo=UTC)
    monitored = judge(read_ledger(begun), member_of(predictor, week), settings, datetime.now(UTC))
    write_page(monitored, out)
    if metrics is not None:
        write_gauges(monitored, metrics)
    for alarm in monitored.alarms:
        typer.echo(f"alarm: {alarm.message} ({alarm.code})")
    n_predictions, n_outcomes = len(monitored.records.probability), len(monitored.records.y)
    typer.echo(
        f"{n_predictions} predictions, {n_outcomes} outcomes, {len(monitored.alarms)} alarms: {out}"
    )
    if others := weeks_beside(predictor, week):
        typer.echo(f"The models of week {others} are looked at apart: --week.")
    if monitored.alarms:
        raise typer.Exit(ALARM_EXIT_CODE)


def check_paths(out: Path, metrics: Path | None) -> None:
    """Refuse files that could not be written, before the work.

    Raises
    ------
    UsageError
        When a name has the wrong ending, or its folder is absent.
    """
    from data_schemas.errors import UsageError

    for path, suffix in ((out, ".html"), (metrics, ".prom")):
        if path is not None and path.suffix != suffix:
            raise UsageError(f"{path} must end in {suffix}.")
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"There is no folder {path.parent}; make it first.")
