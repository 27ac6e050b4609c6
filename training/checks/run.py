"""All checks, run on a finished training run."""

from collections.abc import Iterable, Sequence
from typing import Final

import pandas as pd

from data_schemas.errors import ConfigurationError, DataError, FieldProblem, did_you_mean
from serving.model_document import ModelDocument
from training.checks.connectivity_checks import CONNECTIVITY_CHECKS
from training.checks.evidence import Check, Evidence
from training.checks.performance_checks import PERFORMANCE_CHECKS
from training.checks.population_checks import POPULATION_CHECKS
from training.checks.predictor_checks import PREDICTOR_CHECKS
from training.checks.sample_checks import SAMPLE_CHECKS
from training.checks.setting_checks import SETTING_CHECKS
from training.cohort.records import Cohort
from training.config import ChecksConfig
from training.dataset import TrainingTable
from training.summary import Finding

ALL_CHECKS: Final[tuple[Check, ...]] = tuple(
    sorted(
        (
            *SAMPLE_CHECKS, *PREDICTOR_CHECKS, *PERFORMANCE_CHECKS, *POPULATION_CHECKS,
            *CONNECTIVITY_CHECKS, *SETTING_CHECKS,
        ),
        key=lambda check: check.code,
    )
)  # fmt: skip
_ORDER: Final = {"error": 0, "warning": 1, "note": 2}


def run_checks(
    cohort: Cohort,
    table: TrainingTable,
    evaluation: pd.DataFrame,
    models: Sequence[str],
    document: ModelDocument,
    *,
    config: ChecksConfig,
) -> tuple[Finding, ...]:
    """Return what the checks found: errors first, those that the user ignores last.

    Parameters
    ----------
    cohort, table : Cohort, TrainingTable
        That were learned from.
    evaluation : DataFrame
        `evaluation.csv`.
    models : sequence of str
        Those that were compared.
    document : ModelDocument
        Of the artefact.
    config : ChecksConfig
        Whose ignored codes are found too, and marked.

    Raises
    ------
    ConfigurationError
        When an ignored code is not that of a check.
    """
    require_known_codes(config)
    evidence = Evidence(cohort, table, evaluation, tuple(models), document)
    found = [
        check.finding(message, ignored=check.code in config.ignore)
        for check in ALL_CHECKS
        for message in check.find(evidence)
    ]
    return tuple(sorted(found, key=lambda each: (each.ignored, _ORDER[each.severity], each.code)))


def require_known_codes(config: ChecksConfig) -> None:
    """Refuse to ignore what is no check; worth asking before anything is trained.

    Raises
    ------
    ConfigurationError
        Naming each unknown code and the nearest one.
    """
    known = [check.code for check in ALL_CHECKS]
    problems = [
        FieldProblem("checks.ignore", f"'{code}' is not a check.{did_you_mean(code, known)}")
        for code in config.ignore
        if code not in known
    ]
    if problems:
        raise ConfigurationError(
            "The configuration ignores checks that do not exist; docs/checks.md lists them.",
            problems,
        )


def codes_found(findings: Iterable[Finding]) -> str:
    """Return the codes that were found and not ignored, once each, as "TMS001 TMS007"."""
    return " ".join(sorted({each.code for each in findings if each.code and not each.ignored}))


def refuse_errors(findings: Iterable[Finding]) -> None:
    """End a strict run: raise where an error was found that is not ignored.

    Raises
    ------
    DataError
        Listing them. The run is complete by then; its result is not to be believed.
    """
    problems = [
        FieldProblem(each.code, each.message)
        for each in findings
        if each.severity == "error" and not each.ignored
    ]
    if problems:
        raise DataError(
            "The run is written, but its checks found errors, and --strict was given. Mend them, "
            "or name their codes in the configuration under [checks] ignore.",
            problems,
        )
