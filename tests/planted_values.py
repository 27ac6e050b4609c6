"""The values that tests plant in what they send, and the logs in which none of them may stand."""

import logging
from pathlib import Path

from serving.logs import JsonFormatter

PLANTED = (
    "61.8034", "83.29411", "7731.625", "Q7-planted", "planted-patient", "planted-token",
)  # fmt: skip
# Of the service and what it stands on; clients, such as httpx, log what they themselves ask.
_WATCHED = ("tms_response", "uvicorn", "bentoml", "sqlalchemy", "alembic", "circus", "mlflow")


class LogWatcher(logging.Handler):
    """Notes each entry of this process that would be logged with a planted value."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one entry, as the service would write it."""
        if record.name.startswith(_WATCHED) and holds_planted(JsonFormatter().format(record)):
            self.found.append(f"{record.name}, {record.pathname}:{record.lineno}")


def holds_planted(text: str) -> bool:
    """Return whether one of the values stands in a text."""
    return any(value in text for value in PLANTED)


def logs_with_planted(folder: Path) -> list[str]:
    """Return the logs of servers, below a folder, in which one of the values stands."""
    logs = (path for path in folder.rglob("*log") if path.name == "log" or path.suffix == ".log")
    return [
        str(path)
        for path in logs
        if path.is_file() and holds_planted(path.read_text("utf-8", "replace"))
    ]
