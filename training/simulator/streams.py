"""Independent random streams of one seed, by purpose, so that one never shifts another."""

from typing import Final, Literal, get_args

import numpy as np

Purpose = Literal["sites", "patients", "missing", "phq9", "scans", "matrices", "dates", "course"]
_ORDER: Final = get_args(Purpose)


def random_stream(seed: int, purpose: Purpose, *place: int) -> np.random.Generator:
    """Return the generator of a purpose, and of a place (a patient) within it.

    It depends on nothing but the arguments: neither on what was drawn before nor on how many
    processes share the work.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(_ORDER.index(purpose), *place))
    return np.random.default_rng(sequence)
