"""Harmonise connectivity within a fold: learned from its training rows, applied to everyone.

Every fold starts from what was measured, the folds within a fold too, so that no booster is judged
on patients from whom its scanner effects were learned. Where a site is held out its patients keep
their values, as a patient from a site never seen does when served. What the boosters of a bag are
served with is learned from all their patients; it differs from a fold's own as the boosters do.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data_schemas.errors import ConfigurationError, did_you_mean
from features.harmonisation import MINIMUM_SITE_SCANS, ComBat
from features.site_effects import SiteEffects
from features.table import Feature
from training.config import HarmonisationConfig
from training.learning.rows import FloatArray, IntArray, Measured, SiteArray, TrainingRows
from training.learning.splits import SINGLE_PATIENT_SITES, UNKNOWN_SITE


@dataclass(frozen=True)
class Harmoniser:
    """Learned site effects, or None where there is nothing to take away."""

    effects: SiteEffects | None

    def applied(self, rows: TrainingRows) -> TrainingRows:
        """Return the rows without site effects, from what was measured."""
        measured = rows.measured
        if self.effects is None or measured is None:
            return rows
        X = measured.X.copy()
        X[:, measured.harmonised] = self.effects.without(
            X[:, measured.harmonised], scanner_sites(rows.site), measured.covariates
        )
        return replace(rows, X=X)

    def digest_with(self, digest: str) -> str:
        """Return a digest of a model's state and of this one; the model's alone without effects."""
        if self.effects is None:
            return digest
        text = digest + self.effects.model_dump_json()
        return hashlib.sha256(text.encode()).hexdigest()


def fit_harmoniser(rows: TrainingRows, learned_from: IntArray | None = None) -> Harmoniser:
    """Learn site effects from some of the rows, all of them by default; outcomes are not read."""
    measured, site = rows.measured, rows.site
    if measured is None or not measured.harmonised.any():
        return Harmoniser(None)
    if learned_from is not None:
        measured, site = measured.rows(learned_from), site[learned_from]
    combat = ComBat(
        reference_site=measured.reference_site,
        feature_names=np.array(measured.names)[measured.harmonised].tolist(),
        covariate_names=measured.covariate_names,
    )
    X = measured.X[:, measured.harmonised]
    combat.fit(X, site=scanner_sites(site), covariates=measured.covariates)
    return Harmoniser(combat.effects_)


def harmonised(rows: TrainingRows, learned_from: IntArray) -> TrainingRows:
    """Return all rows without the site effects that are learned from some of them."""
    return fit_harmoniser(rows, learned_from).applied(rows)


def scanner_sites(site: SiteArray) -> SiteArray:
    """Return the sites as far as they name a scanner; empty where unknown or put together."""
    return np.where(np.isin(site, [UNKNOWN_SITE, SINGLE_PATIENT_SITES]), "", site)


def measured_for(
    features: Sequence[Feature], X: FloatArray, config: HarmonisationConfig | None
) -> Measured | None:
    """Return what harmonisation learns with; None where nothing is to be harmonised."""
    if config is None or config.method == "none":
        return None
    names = [feature.name for feature in features]
    return Measured(
        X=X,
        covariates=X[:, [names.index(name) for name in config.covariates]],
        harmonised=np.array([feature.group == "connectivity" for feature in features]),
        names=tuple(names),
        covariate_names=config.covariates,
        reference_site=config.reference_site or None,
    )


def check_harmonisation(
    config: HarmonisationConfig, features: Sequence[Feature], X: FloatArray, site: SiteArray
) -> None:
    """Raise when harmonisation is asked for with what the cohort does not have.

    Raises
    ------
    ConfigurationError
        For a covariate that is no clinical feature of the cohort, or a reference site that is none
        of its sites or has too few scans.
    """
    if config.method == "none":
        return
    clinical = [feature.name for feature in features if feature.group == "clinical"]
    for name in config.covariates:
        if name not in clinical:
            raise ConfigurationError(
                f"[harmonisation] covariates names '{name}', which is not a clinical feature of "
                f"this model.{did_you_mean(name, clinical)}"
            )
    if not config.reference_site:
        return
    sites = sorted({str(name) for name in scanner_sites(site)} - {""})
    if config.reference_site not in sites:
        raise ConfigurationError(
            f"[harmonisation] reference_site is '{config.reference_site}', which is not a site of "
            f"this cohort with two patients or more.{did_you_mean(config.reference_site, sites)}"
        )
    columns = [number for number, each in enumerate(features) if each.group == "connectivity"]
    scanned = ~np.isnan(X[:, columns]).all(axis=1) & (site == config.reference_site)
    if np.count_nonzero(scanned) < MINIMUM_SITE_SCANS:
        raise ConfigurationError(
            f"[harmonisation] reference_site '{config.reference_site}' has fewer than "
            f"{MINIMUM_SITE_SCANS} usable scans; name another, or none."
        )
