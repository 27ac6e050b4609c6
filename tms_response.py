"""The command line, `tms-response COMMAND`: each command asks one function for its work.

Imports of that work stand inside the commands, so that `--help` answers at once.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from data_schemas.errors import DataError, TmsResponseError, UsageError
from serving.ledger.command_line import app as ledger_app
from training.monitoring.command_line import monitor
from training.promotion.command_line import promote, rollback
from training.updating.command_line import update

TRACEBACK_VARIABLE = "TMS_RESPONSE_TRACEBACK"
INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C

app = typer.Typer(
    help="Predict response to TMS for depression. Research use; not a medical device.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(ledger_app, name="ledger")


class Scenario(StrEnum):
    """How strong the simulated signal is."""

    NULL = "null"
    CONSERVATIVE = "conservative"
    ELBAU = "elbau"
    OPTIMISTIC = "optimistic"


Cohort = Annotated[Path, typer.Argument(help="A folder with a cohort.toml, or such a file.")]
Data = Annotated[Path | None, typer.Option(help="Folder of the data, where not beside the spec.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("tms-response"))
        raise typer.Exit


def _engine_name(name: str) -> str:
    from training.engine.engines import check_engine_name

    return check_engine_name(name)


@app.callback()
def _whole_program(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version."),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def simulate(
    out: Annotated[
        Path, typer.Argument(help="Folder to write: new, empty, or an earlier simulation.")
    ],
    patients: Annotated[int, typer.Option(help="Patients in all.")] = 800,
    sites: Annotated[int, typer.Option(help="Clinics.")] = 8,
    scenario: Annotated[Scenario, typer.Option(help="Strength of signal.")] = Scenario.CONSERVATIVE,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
) -> None:
    """Write a simulated cohort as a BIDS folder."""
    from training.progress import ProgressDisplay
    from training.simulator.writer import simulate as write_cohort

    with ProgressDisplay() as progress:
        write_cohort(out, patients, sites, scenario.value, seed, progress.stage("simulating"))
    typer.echo(f"Simulated cohort of {patients} patients at {sites} sites: {out}")


@app.command()
def check(cohort: Cohort, data: Data = None) -> None:
    """Tell whether a cohort is fit to train on; exits 10 where it is not."""
    from rich.console import Console

    from training.cohort.check import check_cohort, render_check
    from training.progress import ProgressDisplay

    with ProgressDisplay() as progress:
        checked = check_cohort(cohort, data, progress.stage("reading the cohort"))
    Console().print(render_check(checked))
    if checked.has_errors:
        raise typer.Exit(DataError.exit_code)


@app.command()
def train(
    cohort: Cohort,
    *,
    data: Data = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML; what it leaves out is default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write [default: runs/<time>].")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            callback=_engine_name, help="Where models are fitted: local, dask or dask=ADDRESS."
        ),
    ] = "local",
    external: Annotated[
        Path | None, typer.Option(help="Another cohort to judge the models on, without a refit.")
    ] = None,
    external_data: Annotated[
        Path | None, typer.Option(help="Folder of its data, where not beside its spec.")
    ] = None,
    course: Annotated[
        bool, typer.Option("--course", help="Train models in the course of treatment as well.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run: --out, or the newest.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 10 where the checks find an error.")
    ] = False,
) -> None:
    """Train, validate and explain a model on a cohort."""
    from rich.console import Console

    from training.checks.render import render_findings
    from training.checks.run import refuse_errors
    from training.progress import ProgressDisplay
    from training.run import ExternalCohortPath, train_cohort

    if external_data is not None and external is None:
        raise UsageError("--external-data needs --external, the cohort that it belongs to.")
    try:
        with ProgressDisplay() as progress:
            result = train_cohort(
                cohort, data=data, config_path=config, out=out, resume=resume, engine=engine,
                course=course,
                external=ExternalCohortPath(external, external_data) if external else None,
                progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        typer.echo("Interrupted. What is finished is kept: go on with --resume.", err=True)
        raise
    Console().print(render_findings(result.findings))
    typer.echo(result.headline)
    if result.always_abstains:
        typer.echo(f"This model gives no predictions: {result.always_abstains}")
    typer.echo(f"Model:  {result.folder / 'model'}  (run {result.run_id} in MLflow)")
    typer.echo(f"Report: {result.report}")
    typer.echo(f"Card:   {result.folder / 'card.html'}")
    if strict:
        refuse_errors(result.findings)


@app.command()
def plan(
    *,
    parameters: Annotated[int, typer.Option(help="Candidate predictor parameters.")] = 20,
    prevalence: Annotated[float, typer.Option(help="Share who reach the outcome.")] = 0.47,
    auc: Annotated[float, typer.Option(help="AUROC expected in new patients.")] = 0.65,
    patients: Annotated[int | None, typer.Option(help="Patients to develop on.")] = None,
    sites: Annotated[int | None, typer.Option(help="Sites that share those.")] = None,
    external: Annotated[
        int | None, typer.Option(help="Patients of another cohort to validate on.")
    ] = None,
) -> None:
    """Tell how many patients a model needs, and how precise a study would be."""
    from rich.console import Console

    from training.planning.plan import make_plan, render_plan

    made = make_plan(
        parameters=parameters, prevalence=prevalence, auroc=auc,
        patients=patients, sites=sites, external=external,
    )  # fmt: skip
    Console().print(render_plan(made))


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="Folder of a model, or models:/NAME@ALIAS.")],
    patients: Annotated[Path, typer.Argument(help="Patients: .json, .csv, .tsv, .xlsx, .parquet.")],
    out: Annotated[Path, typer.Option(help="Predictions to write: .csv, .tsv or .json.")] = Path(
        "predictions.csv"
    ),
    course: Annotated[
        Path | None,
        typer.Option(help="Scores during treatment: a table of id, session or day, and score."),
    ] = None,
) -> None:
    """Predict every patient of a file."""
    from serving.predictor import ResponsePredictor
    from serving.registry import resolve_model
    from training import prediction_files
    from training.cohort.course_files import read_course_file
    from training.cohort.patients import read_patients

    prediction_files.check_predictions_path(out)
    predictor = ResponsePredictor.load(resolve_model(model))
    named = read_patients(patients)
    courses = None if course is None else read_course_file(course, [name for name, _ in named])
    predictions = prediction_files.predict_all(predictor, named, courses)
    prediction_files.write_predictions(out, named, predictions, predictor)
    typer.echo(f"Predictions of {len(predictions)} patients: {out}")


@app.command()
def explain(
    model: Annotated[str, typer.Argument(help="Folder of a model, or models:/NAME@ALIAS.")],
    patient: Annotated[Path, typer.Argument(help="One patient in a .json, or a file of patients.")],
    *,
    out: Annotated[Path, typer.Option(help="Page to write: .html. It holds the patient's data.")],
    row: Annotated[
        int | None, typer.Option(help="Which patient of the file, counted from 1.", min=1)
    ] = None,
    course: Annotated[
        Path | None,
        typer.Option(help="Scores during treatment: a table of id, session or day, and score."),
    ] = None,
) -> None:
    """Write one page about one patient's prediction, to read together and to print."""
    from serving.predictor import ResponsePredictor
    from serving.registry import resolve_model
    from training import explaining

    explaining.check_report_path(out)
    predictor = ResponsePredictor.load(resolve_model(model))
    explaining.write_private(out, explaining.explain_patient(predictor, patient, row, course))
    typer.echo(f"Report: {out}  (holds the patient's data; only you can read it)")


@app.command()
def adapt(
    model: Annotated[str, typer.Argument(help="Folder of a model, or models:/NAME@ALIAS.")],
    cohort: Cohort,
    *,
    out: Annotated[Path, typer.Option(help="Folder of the new model: new or empty.")],
    site: Annotated[
        str | None, typer.Option(help="The new site [default: the one that the cohort records].")
    ] = None,
    data: Data = None,
) -> None:
    """Teach a model a new site's scanner from 5 or more local scans; no outcomes are needed."""
    from training.adapting import adapt_model
    from training.progress import ProgressDisplay

    with ProgressDisplay() as progress:
        adapted = adapt_model(
            model, cohort, out, data=data, site=site, progress=progress.stage("reading the cohort")
        )
    typer.echo(f"Learned the scanner of {adapted.site} from {adapted.n_scans} scans.")
    typer.echo(f"Model:  {out}  (version {adapted.version})")


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder that `train` wrote.")],
) -> None:
    """Rebuild report.html and the model card of a finished run."""
    from training.card.build import build_card
    from training.report.build import rebuild_report

    typer.echo(f"Report: {rebuild_report(run)}")
    typer.echo(f"Card:   {build_card(run)}")


@app.command()
def serve(
    model: Annotated[
        str, typer.Option(help="Folder of a model, or models:/NAME@ALIAS.")
    ] = "models:/tms-response@champion",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 3000,
    workers: Annotated[int, typer.Option(help="Processes that answer.", min=1)] = 1,
    access: Annotated[
        bool, typer.Option("--access/--no-access", help="Ask for keys; without, only loopback.")
    ] = True,
) -> None:
    """Answer predictions over HTTP."""
    from serving.start import serve as start_service

    start_service(model, host, port, workers, access=access)


key_commands = typer.Typer(help="Make, list and revoke the API keys of the service.")
app.add_typer(key_commands, name="key")


@key_commands.command("new")
def new_key(
    scope: Annotated[list[str], typer.Option(help="predict, outcomes or admin; may be repeated.")],
    label: Annotated[str, typer.Option(help="Whom it is for; never a patient.")] = "",
) -> None:
    """Make a key and print it, once."""
    from serving.access.keys import new_key as make_key
    from serving.settings import keys_file

    typer.echo(make_key(keys_file(), scope, label))
    typer.echo(f"Only its hash is kept, in {keys_file()}; keep the key itself safe.", err=True)


@key_commands.command("list")
def list_keys() -> None:
    """List the valid keys by id: scopes, when made, label."""
    from serving.access.keys import read_keys
    from serving.settings import keys_file

    for key in read_keys(keys_file()).values():
        typer.echo(f"{key.key_id}  {','.join(key.scopes):22}  {key.created}  {key.label}")


@key_commands.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="As `key list` shows it.")]) -> None:
    """Make a key invalid, within a second."""
    from serving.access.keys import revoke_key as revoke
    from serving.settings import keys_file

    revoke(keys_file(), key_id)


app.command()(monitor)
app.command()(update)
app.command()(promote)
app.command()(rollback)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error becomes a sentence here.

    Parameters
    ----------
    arguments : sequence of str
        What stands after `tms-response`.

    Returns
    -------
    int
        0 fine, 2 usage, 10 data, 11 configuration, 12 model, 13 service, 14 a promotion refused,
        20 an alarm of `monitor`, 1 a fault of ours, 130 interrupted.
    """
    try:
        code = app(list(arguments) or ["--help"], prog_name="tms-response", standalone_mode=False)
        sys.stdout.flush()
    except TmsResponseError as error:
        return _say(str(error), error.exit_code)
    except typer.TyperException as error:
        return _say(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left, as `head` does; nothing may be flushed to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the last resort, so that no traceback is shown
        return _say(_unexpected(error), 1)
    return code if isinstance(code, int) else 0


def _say(message: str, code: int) -> int:
    typer.echo(f"error: {message}", err=True)
    return code


def _unexpected(error: Exception) -> str:
    """Say where the program failed, without the error's own message: it may quote a patient."""
    if os.environ.get(TRACEBACK_VARIABLE) == "1":
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    place = f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}"
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}. ({place})"
    return (
        f"The program failed ({type(error).__name__} in {place}); this is a fault of the program. "
        f"Set {TRACEBACK_VARIABLE}=1 to see the traceback, which may quote patients' data."
    )


def main() -> None:
    """Run the command of this process."""
    sys.exit(run(sys.argv[1:]))
