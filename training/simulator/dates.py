"""When each simulated patient was treated: at random, so that time holds no drift."""

from datetime import date, timedelta
from typing import Final

from training.simulator.streams import random_stream

START_COLUMN: Final = "first_session"
START_MEANING: Final = "Simulated date of the first session, independent of all else."

# Made up: four calendar years, as long as a clinic takes to see some hundred patients.
FIRST_DAY: Final = date(2019, 1, 1)
LAST_DAY: Final = date(2022, 12, 31)


def start_dates(seed: int, n_patients: int) -> list[str]:
    """Return one day a patient, as YYYY-MM-DD, uniform from `FIRST_DAY` to `LAST_DAY`.

    The dates have a random stream of their own and move nothing else of the simulation.
    """
    span = (LAST_DAY - FIRST_DAY).days
    days = random_stream(seed, "dates").integers(span, size=n_patients, endpoint=True)
    return [(FIRST_DAY + timedelta(days=day)).isoformat() for day in days.tolist()]
