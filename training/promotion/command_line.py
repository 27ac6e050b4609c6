"""`tms-response promote` and `tms-response rollback`."""
# ruff: noqa: PLC0415  # each command imports what it needs, so that --help is fast

from pathlib import Path
from typing import Annotated

import typer


def promote(
    run: Annotated[Path, typer.Argument(help="Folder of `train`, or of `update --register`.")],
    *,
    override: Annotated[
        str | None, typer.Option(help="Why, whatever speaks against it; kept. Never a patient.")
    ] = None,
    cohort: Annotated[
        Path | None, typer.Option(help="Compare on a cohort that is new to the champion.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of its data, where not beside its spec.")
    ] = None,
) -> None:
    """Make a run's model the champion, if the evidence allows it; exits 14 where it does not."""
    from rich.console import Console

    from training.progress import ProgressDisplay
    from training.promotion.promote import challenge
    from training.promotion.promote import promote as promote_challenger
    from training.promotion.render import render_challenge

    with ProgressDisplay() as progress:
        found = challenge(run, cohort=cohort, data=data, progress=progress.stage("comparing"))
    Console().print(render_challenge(found))
    reign = promote_challenger(found, override)
    before = f" after version {found.before.champion}" if found.before.champion else ""
    typer.echo(f"Champion of {found.name}: version {reign.version}{before}.")


def rollback(
    name: Annotated[str, typer.Argument(help="Registered model.")] = "tms-response",
    why: Annotated[str | None, typer.Option(help="Kept with it. Never a patient.")] = None,
) -> None:
    """Make the champion before this one the champion again."""
    from training.promotion.rollback import rollback as roll_back

    reign = roll_back(name, why)
    typer.echo(f"Champion of {name}: version {reign.version} again.")
