"""Teach a fitted model a scanner that it has not seen, from a handful of unlabelled local scans.

Outcomes are not needed and not looked at. Nothing of the model changes but that its harmonisation
knows one site more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_schemas.errors import DataError, ModelError, UsageError, did_you_mean
from data_schemas.patient import Patient
from features.harmonisation import adapt
from features.patient_rows import patient_row
from serving.admission import connectome_refusal
from serving.known_scanners import named_features
from serving.model_document import ModelDocument
from serving.predictor import ResponsePredictor
from serving.registry import resolve_model
from training.cohort.node_tables import refuse_other_nodes
from training.cohort.read import read_cohort
from training.cohort.records import CohortMember, Progress
from training.scans import PatientScans


@dataclass(frozen=True)
class AdaptedModel:
    """What `adapt_model` wrote.

    Attributes
    ----------
    site : str
        That the model knows now.
    n_scans : int
        From which its scanner was learned.
    version : str
        Of the new model.
    """

    site: str
    n_scans: int
    version: str


def adapt_model(
    model: str,
    cohort_path: Path,
    out: Path,
    *,
    data: Path | None = None,
    site: str | None = None,
    progress: Progress | None = None,
) -> AdaptedModel:
    """Write a new artefact that harmonises a further site.

    Parameters
    ----------
    model : str
        Folder of a model, or a reference to the registry.
    cohort_path, data : Path
        A cohort as for training, whose outcome columns may be empty.
    out : Path
        New or empty folder.
    site : str, optional
        The new site, as patients will name it. Where the cohort records sites, its patients alone
        are read; where it records none, everyone is taken to be from there. Without it the cohort
        must record one site.

    Raises
    ------
    UsageError
        When `out` holds something.
    ModelError
        When the model was not trained with harmonisation.
    DataError
        When the cohort or its scans cannot be used, or there are too few.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UsageError(f"{out} exists already; give an empty or a new folder with --out.")
    parent = ResponsePredictor.load(resolve_model(model))
    effects = parent.document.harmonisation
    if effects is None:
        raise ModelError(
            "The model was trained without harmonisation, so no scanner needs to be learned. "
            'To harmonise, train with method = "combat" under [harmonisation].'
        )
    if parent.landmarks:
        raise ModelError(
            "The model holds models of the course of treatment, which would not learn the scanner. "
            "Adapt a model that was trained without --course."
        )
    cohort = read_cohort(cohort_path, data, progress)
    refuse_other_nodes(cohort.name, cohort.nodes, parent.document.connectome.node_table)
    name, members = _members_of(cohort.members, site)
    patients = _scanned(members, cohort.folder, parent.document)
    features = named_features(parent.document, effects.features)
    covariates = named_features(parent.document, effects.covariates)
    nodes = parent.document.connectome.node_table
    measured = [patient_row(each, features, nodes) for each in patients]
    adapted = adapt(
        effects,
        name,
        np.array(measured).reshape(-1, len(features)),
        np.array([patient_row(each, covariates) for each in patients]).reshape(-1, len(covariates)),
    )
    predictor = parent.with_harmonisation(adapted)
    predictor.save(out)
    [shift] = [shift for shift in adapted.sites if shift.site == name]
    return AdaptedModel(name, shift.n_scans, predictor.identity.version)


def _members_of(
    members: Sequence[CohortMember], site: str | None
) -> tuple[str, Sequence[CohortMember]]:
    """Return the new site's name and its patients."""
    recorded = sorted({each.patient.site for each in members if each.patient.site})
    if site is None:
        if len(recorded) != 1:
            raise DataError(
                f"The cohort records {len(recorded)} sites; name the one to learn with --site."
            )
        [site] = recorded
    if not recorded:
        return site, members
    if site not in recorded:
        raise DataError(
            f"No patient of the cohort is from site '{site}'.{did_you_mean(site, recorded)}"
        )
    return site, [each for each in members if each.patient.site == site]


def _scanned(
    members: Sequence[CohortMember], folder: Path, document: ModelDocument
) -> list[Patient]:
    """Return the patients whose connectome the model would use."""
    scans = PatientScans(document.connectome.quality, folder, document.connectome.node_table)
    patients = [scans.attach(each) for each in members if each.connectome_files]
    return [
        each
        for each in patients
        if each.connectome is not None
        and connectome_refusal(each.connectome, document.connectome) is None
    ]
