"""Made-up replicates behind an interval."""

import numpy as np

from serving.model_document import IntervalDocument, SpreadDocument
from serving.predictor import ResponsePredictor
from serving.stability_interval import SpreadTable

N_REPLICATES = 40


def random_table(n_features: int, seed: int = 0, replicates: int = N_REPLICATES) -> SpreadTable:
    """Return a table of random steps; some features have no cut."""
    rng = np.random.default_rng(seed)
    cuts = [np.unique(rng.normal(size=number % 4).round(2)) for number in range(n_features)]
    return SpreadTable(
        cuts=cuts,
        start=rng.integers(-300, 300, replicates),
        steps=rng.integers(-50, 50, (sum(map(len, cuts)), replicates)),
        unknown=rng.integers(-50, 50, (n_features, replicates)),
    )


def with_spread(predictor: ResponsePredictor, table: SpreadTable) -> ResponsePredictor:
    """Return a model with these replicates behind its interval."""
    text = table.to_text()
    spread = SpreadDocument.of(text, table.n_replicates)
    return predictor.with_interval(
        IntervalDocument(method="stability interval", level=0.9, spread=spread), text
    )
