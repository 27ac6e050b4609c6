"""A clock that goes when a test says so."""


class Clock:
    """Seconds that pass when `now` is changed."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the present second."""
        return self.now
