"""`tms-response update`; its imports stand inside, so that `--help` answers at once."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data_schemas.errors import UsageError

if TYPE_CHECKING:
    from serving.predictor import ResponsePredictor
    from training.promotion.judged_update import JudgedUpdate


def update(
    model: Annotated[str, typer.Argument(help="Folder of a model, or models:/NAME@ALIAS.")],
    *,
    out: Annotated[Path | None, typer.Option(help="New folder for the updated model.")] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Register it in MLflow, for `promote` of --out.")
    ] = False,
    place: Annotated[
        str, typer.Option(help="Where the outcomes are from; it stands in the model.")
    ] = "the local ledger",
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Only patients asked about from this day on, as after a drift.",
        ),
    ] = None,
    cohort: Annotated[
        Path | None, typer.Option(help="Take outcomes from a cohort instead of the ledger.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the cohort's data, where not beside the spec.")
    ] = None,
    estimate: Annotated[
        Path | None, typer.Option(help="Also write the update alone, without any patient's data.")
    ] = None,
    week: Annotated[
        float | None, typer.Option(help="Update the model of this week of treatment instead.")
    ] = None,
    use: Annotated[
        Path | None, typer.Option("--apply", help="Apply an update that --estimate wrote.")
    ] = None,
) -> None:
    """Recalibrate a model on local outcomes, by as little as they ask for."""
    from serving.predictor import ResponsePredictor
    from serving.registry import resolve_model
    from training.course.member import member_of, weeks_beside
    from training.promotion.judged_update import JudgedUpdate
    from training.updating.register import register_update, registered_parent
    from training.updating.update import updated_predictor

    narrowed = since is not None or week is not None
    _refuse_unclear(out, estimate, use, cohort, register=register, narrowed=narrowed)
    predictor = ResponsePredictor.load(resolve_model(model))
    parent = registered_parent(model, predictor) if register else None
    if use is None:
        first = None if since is None else since.date()
        found = _estimated(member_of(predictor, week), place, first, cohort, data)
        if others := weeks_beside(predictor, week):
            typer.echo(f"The models of week {others} are left as they are; update one with --week.")
    else:
        found = JudgedUpdate.load(use)
    if found is None:
        return
    if estimate is not None:
        found.save(estimate)
        typer.echo(f"Update, without any patient's data: {estimate}")
    if out is None:
        return
    updated = updated_predictor(predictor, found.update)
    if parent is None:
        updated.save(out)
    else:
        registered = register_update(found, updated, parent, out)
        typer.echo(f"Registered: {registered.uri}; `tms-response promote {out}` compares it.")
    typer.echo(f"Updated model, version {updated.identity.version}: {out}")


def _refuse_unclear(
    out: Path | None,
    estimate: Path | None,
    use: Path | None,
    cohort: Path | None,
    *,
    register: bool,
    narrowed: bool,
) -> None:
    if out is None and estimate is None:
        raise UsageError("Say what to write: --out FOLDER, --estimate FILE, or both.")
    if register and out is None:
        raise UsageError("--register needs --out FOLDER, which `tms-response promote` reads.")
    if use is not None and (estimate is not None or cohort is not None):
        raise UsageError("--apply takes an update that is there already; leave the others out.")
    if narrowed and (use is not None or cohort is not None):
        raise UsageError(
            "--since and --week choose from the ledger; leave --cohort and --apply out."
        )
    if out is not None and (out.is_file() or (out.is_dir() and any(out.iterdir()))):
        raise UsageError(f"{out} exists already; give an empty or a new folder with --out.")
    if estimate is not None and not estimate.parent.is_dir():
        raise UsageError(f"There is no folder {estimate.parent}; make it first.")


def _estimated(
    predictor: "ResponsePredictor",
    place: str,
    since: date | None,
    cohort: Path | None,
    data: Path | None,
) -> "JudgedUpdate | None":
    from training.progress import ProgressDisplay
    from training.updating.local_outcomes import of_a_cohort, of_the_ledger
    from training.updating.update import local_update

    with ProgressDisplay() as progress:
        outcomes = (
            of_the_ledger(predictor, since)
            if cohort is None
            else of_a_cohort(predictor, cohort, data, progress.stage("asking the model"))
        )
    chosen, found = local_update(predictor, outcomes, place)
    typer.echo(
        f"{chosen.n_patients} patients with a known outcome; that nothing need change: "
        f"p = {chosen.p_unchanged:.3f}; that the level alone need change: p = {chosen.p_level:.3f}."
    )
    if found is None:
        typer.echo("The outcomes do not speak against the model as it is; nothing was written.")
    else:
        typer.echo(
            f"Chosen: {chosen.method}; log-odds are multiplied by {chosen.slope:.3f}, and "
            f"{chosen.intercept:+.3f} is added."
        )
    return found
