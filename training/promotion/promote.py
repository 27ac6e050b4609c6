"""A challenger becomes the champion, by the evidence or against it: `tms-response promote`."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from data_schemas.errors import (
    DataError,
    FieldProblem,
    ModelError,
    PromotionRefusedError,
    UsageError,
)
from serving.predictor import ResponsePredictor
from serving.registry import resolve_model
from training.dataset import Progress
from training.promotion.cohort_evidence import cohort_evidence
from training.promotion.course_evidence import COURSE_FILES
from training.promotion.evidence import Evidence, FinishedRun, held_out_evidence
from training.promotion.judged_update import UPDATE_FILE, JudgedUpdate
from training.promotion.reasons import about_rollbacks, reasons_against
from training.promotion.succession import (
    Reign,
    Succession,
    new_reign,
    succeed,
)
from training.summary import MODEL_FOLDER, OUT_OF_FOLD_FILE, SUMMARY_FILE
from training.tracking.registered_model import is_tagged_as
from training.tracking.run_folder import read_run_file
from training.tracking.store import open_client, plain_mlflow

if TYPE_CHECKING:
    from mlflow import MlflowClient

_REGISTERED: Final = "models:/"


@dataclass(frozen=True)
class Challenge:
    """A challenger held against the champion.

    Attributes
    ----------
    name, version : str
        Of the challenger in the registry.
    before : Succession
        When they were compared.
    evidence : Evidence or None
        None where there is nothing to compare with or on.
    reasons : tuple of str
        Against a promotion.
    """

    name: str
    version: str
    before: Succession
    evidence: Evidence | None
    reasons: tuple[str, ...]


def challenge(
    run: Path,
    *,
    cohort: Path | None = None,
    data: Path | None = None,
    progress: Progress | None = None,
) -> Challenge:
    """Hold the model of a run against the champion of its name.

    Parameters
    ----------
    run : Path
        Folder that `train` or `update --register` wrote.
    cohort, data : Path, optional
        A cohort that the champion was not trained on; without it their held-out predictions are
        compared or, of an update, what is known of the local patients whom it rests on.

    Raises
    ------
    UsageError
        When it is the champion already.
    ModelError
        When it is not what the registry holds, or answers another question than the champion.
    DataError
        When the run or the cohort cannot be used.
    ServiceError
        When MLflow fails.
    """
    learned = _learned(run)
    challenger = ResponsePredictor.load(run / MODEL_FOLDER)
    name, version = _registered(run)
    with plain_mlflow():
        client = open_client()
        _check_same(client, name, version, challenger)
        before = Succession.read(client, name)
        if before.champion == version:
            raise UsageError(f"Version {version} of {name} is the champion already.")
        champion, evidence = None, None
        if before.champion is not None:
            champion = ResponsePredictor.load(
                resolve_model(f"{_REGISTERED}{name}/{before.champion}")
            )
            _refuse_other_question(challenger, champion)
            if cohort is None:
                evidence = _evidence(client, before, learned, challenger, champion)
    if champion is not None and cohort is not None:
        refit = learned if isinstance(learned, FinishedRun) else None
        evidence = cohort_evidence(
            challenger, champion, cohort, data, progress=progress, refit=refit
        )
    against = (
        *about_rollbacks(before.rollback_of(version)),
        *reasons_against(evidence, learned, challenger, champion),
    )
    return Challenge(name, version, before, evidence, against)


def promote(found: Challenge, override: str | None = None) -> Reign:
    """Let a challenger become the champion.

    Parameters
    ----------
    found : Challenge
    override : str, optional
        Why it should, whatever speaks against it.

    Raises
    ------
    PromotionRefusedError
        When something speaks against it and is not overridden, or another promotion came first.
    UsageError
        When the override says nothing.
    ServiceError
        When MLflow fails.
    """
    if override is not None and not override.strip():
        raise UsageError("--override needs a reason in words, which is kept.")
    if found.reasons and override is None:
        raise PromotionRefusedError(
            f"Version {found.version} of {found.name} was not promoted. To promote it all the "
            'same, say why with --override "why".',
            [FieldProblem("against it", reason) for reason in found.reasons],
        )
    present = found.before.with_present()
    reign = new_reign(
        present.last_number + 1,
        found.version,
        None if found.before.champion is None else present.last_number,
        "promotion",
        why=override.strip() if override and found.reasons else None,
        against=found.reasons,
        evidence=None if found.evidence is None else found.evidence.as_json(),
    )
    with plain_mlflow():
        succeed(open_client(), found.before, reign)
    return reign


def _learned(run: Path) -> FinishedRun | JudgedUpdate:
    if (run / UPDATE_FILE).is_file():
        return JudgedUpdate.load(run / UPDATE_FILE)
    return FinishedRun.read(run)


def _registered(run: Path) -> tuple[str, str]:
    """Return the name and version that a run's model has in the registry."""
    uri = str(read_run_file(run).get("registered_model", ""))
    name, _, version = uri.removeprefix(_REGISTERED).rpartition("/")
    if not name:
        raise DataError(
            f"{run} says of no registered model; give the folder of a run that `tms-response "
            "train` or `update --register` has finished."
        )
    return name, version


def _check_same(
    client: "MlflowClient", name: str, version: str, predictor: ResponsePredictor
) -> None:
    if not is_tagged_as(predictor, client.get_model_version(name, version).tags):
        raise ModelError(
            f"The model in the run's folder is not version {version} of {name} in MLflow; set "
            "MLFLOW_TRACKING_URI to the store that the run was logged to."
        )


def _refuse_other_question(challenger: ResponsePredictor, champion: ResponsePredictor) -> None:
    """Refuse what running services would refuse too, since their callers ask something else."""
    for name in ("outcome", "depression_instrument", "anxiety_instrument"):
        if getattr(challenger.document, name) != getattr(champion.document, name):
            raise ModelError(
                f"The {name.replace('_', ' ')} of the challenger is not that of the champion: they "
                "answer different questions. Register it under another [tracking] model_name."
            )


def _evidence(
    client: "MlflowClient",
    before: Succession,
    learned: FinishedRun | JudgedUpdate,
    challenger: ResponsePredictor,
    champion: ResponsePredictor,
) -> Evidence | None:
    """Compare what is known of both already; None where that is of other patients."""
    if isinstance(learned, JudgedUpdate):
        return learned.against(challenger, champion)
    return _held_out(client, before, learned)


def _held_out(
    client: "MlflowClient", before: Succession, challenger: FinishedRun
) -> Evidence | None:
    """Compare held-out predictions; None where the champion's are gone or of other patients."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    assert before.champion is not None  # noqa: S101  # asked by the caller
    run_id = str(client.get_model_version(before.name, before.champion).run_id)
    with TemporaryDirectory() as scratch:
        try:
            for name in (SUMMARY_FILE, OUT_OF_FOLD_FILE):
                client.download_artifacts(run_id, name, scratch)
        except (MlflowException, OSError):
            return None
        for name in COURSE_FILES:
            with suppress(MlflowException, OSError):
                client.download_artifacts(run_id, name, scratch)
        return held_out_evidence(challenger, FinishedRun.read(Path(scratch)))
