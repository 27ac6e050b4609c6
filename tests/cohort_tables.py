"""Small training tables for tests, drawn from a known logistic model."""

from dataclasses import replace

import numpy as np

from data_schemas.cohort import CohortSpec, parse_cohort_spec
from features.table import feature_table
from training.config import TrainingConfig, load_config
from training.dataset import OUTCOME_UNKNOWN, Bystanders, TrainingTable
from training.summary import ConnectomeCounts


def quick_config(**changes: object) -> TrainingConfig:
    """Return the default configuration with little work in it."""
    config = load_config()
    boosting = config.boosting.model_copy(
        update={"tree_counts": (5, 20), "num_leaves": (2, 4), "min_patients_a_leaf": (20,),
                "bag_repeats": 2, "penalties": (0.03, 0.3)}
    )  # fmt: skip
    validation = config.validation.model_copy(
        update={"inner_folds": 3, "folds": 3, "repeats": 2, "bootstraps": 100}
    )
    stability = config.stability.model_copy(update={"replicates": 4})
    update = {"boosting": boosting, "validation": validation, "stability": stability}
    # A made-up table has one outcome.
    return config.model_copy(update={**update, "secondary_outcomes": (), **changes})


def simulated_table(
    n: int = 240, n_sites: int = 4, signal: float = 1.0, seed: int = 0, scanned: float = 0.4
) -> TrainingTable:
    """Return patients whose response depends on failed trials and severity alone.

    Parameters
    ----------
    signal : float
        Log-odds a standard deviation of failed trials; 0 gives null data.
    scanned : float
        Share of patients with connectivity, which says nothing of response.
    """
    rng = np.random.default_rng(seed)
    features = feature_table(depression_instrument="HDRS-17", anxiety_instrument="GAD-7")
    names = [feature.name for feature in features]
    X = np.full((n, len(features)), np.nan)
    X[:, names.index("age_years")] = rng.normal(49, 14, n)
    X[:, names.index("failed_trials")] = rng.poisson(3, n)
    X[:, names.index("depression_severity")] = rng.uniform(0.3, 0.8, n)
    X[:, names.index("benzodiazepine")] = rng.random(n) < 0.3
    X[rng.random(n) < 0.2, names.index("benzodiazepine")] = np.nan
    has_scan = rng.random(n) < scanned
    networks = [number for number, feature in enumerate(features) if feature.group != "clinical"]
    # From a generator of their own beyond these, so that a further feature changes no outcome.
    X[:, networks[:29]] = rng.normal(0.2, 0.1, (n, 29))
    further = np.random.default_rng([seed, n])
    X[:, networks[29:]] = further.normal(0.2, 0.1, (n, len(networks) - 29))
    X[~has_scan, networks[0] :] = np.nan
    standardised = (X[:, names.index("failed_trials")] - 3) / np.sqrt(3)
    y = rng.random(n) < 1 / (1 + np.exp(signal * standardised))
    site = np.array([f"site-{number % n_sites}" for number in range(n)])
    return TrainingTable(
        X=X,
        y=y,
        site=site,
        features=features,
        connectomes=ConnectomeCounts(n_read=0, n_accepted=0, refused={}),
        depression_instrument="HDRS-17",
        anxiety_instrument="GAD-7",
        site_names=tuple(sorted(set(site.tolist()))),
    )


def with_bystanders(table: TrainingTable, n_sham: int = 40, n_unknown: int = 30) -> TrainingTable:
    """Return the table with further patients of the same kind whom no model learns from.

    The outcome of sham patients is that which the simulated model gives them.
    """
    m = n_sham + n_unknown
    further = simulated_table(m, len(table.site_names) or 1, seed=1)
    group = np.array(["sham"] * n_sham + [OUTCOME_UNKNOWN] * n_unknown)
    y = np.where(group == "sham", further.y.astype(np.float64), np.nan)
    return replace(table, bystanders=Bystanders(further.X, y, further.site, group))


def minimal_spec(**changes: object) -> CohortSpec:
    """Return the spec of a made-up clinic."""
    spec = parse_cohort_spec(
        """
        name = "Made-up clinic"
        description = "Adults with depression"
        licence = "made up"
        citation = "none"
        simulated = true
        [treatment]
        is_tms = true
        description = "Left DLPFC TMS"
        [tables.t]
        file = "t.csv"
        [patient]
        age_years = "t.age"
        [outcome]
        instrument = "HDRS-17"
        baseline = "t.before"
        final = "t.after"
        """
    )
    return spec.model_copy(update=changes)
