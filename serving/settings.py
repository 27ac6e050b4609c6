"""What the service reads from its environment."""

import os
from pathlib import Path
from typing import Final

from data_schemas.errors import ConfigurationError

MODEL_VARIABLE: Final = "TMS_RESPONSE_MODEL"
WORKERS_VARIABLE: Final = "TMS_RESPONSE_WORKERS"


def model_folder() -> Path:
    """Return the folder of the model to serve.

    `TMS_RESPONSE_MODEL`, or `model/` beside this package, where a Bento holds it.
    """
    beside = Path(__file__).resolve().parent.parent / "model"
    return Path(os.environ.get(MODEL_VARIABLE) or beside)


def n_workers() -> int:
    """Return how many processes answer: `TMS_RESPONSE_WORKERS`, 1 by default.

    Raises
    ------
    ConfigurationError
        When it is not a whole number of at least 1.
    """
    given = os.environ.get(WORKERS_VARIABLE) or "1"
    if not given.isdecimal() or int(given) < 1:
        raise ConfigurationError(f"{WORKERS_VARIABLE} must be a whole number of at least 1.")
    return int(given)
