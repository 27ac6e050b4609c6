"""Logs of one shape: a JSON object a line, without anything that a caller sent.

The text of an exception, and its traceback, may hold a patient's value. So only the class of an
exception and the line that raised it are written, whoever logs it.
"""

import json
import logging
import logging.config
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")


class JsonFormatter(logging.Formatter):
    """Writes when, how grave, who, what, the request's id and the `fields` given by `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id = REQUEST_ID.get()
        if request_id:
            entry["request_id"] = request_id
        entry.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            entry["exception"] = describe(record.exc_info[1])
        return json.dumps(entry, ensure_ascii=False, default=str)


def describe(error: BaseException) -> str:
    """Return the class of an exception and the line that raised it, but not its text."""
    frames = traceback.extract_tb(error.__traceback__)
    kind = type(error).__name__
    return f"{kind} at {frames[-1].filename}:{frames[-1].lineno}" if frames else kind


def configure_logs(*, requests: bool = False) -> None:
    """Give every logger of this process that shape, on standard output.

    BentoML logs its own start at the level of information, and so do we; other libraries warnings.

    Parameters
    ----------
    requests : bool
        Whether each request is logged, which costs it some 30 microseconds; refusals always are.
    """
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonFormatter}},
            "handlers": {
                "out": {
                    "class": "logging.StreamHandler", "formatter": "json", "stream": sys.stdout
                }
            },
            "root": {"handlers": ["out"], "level": "WARNING"},
            "loggers": {
                "tms_response": {"level": "INFO"},
                "tms_response.requests": {"level": "INFO" if requests else "WARNING"},
                "bentoml": {"level": "INFO", "handlers": [], "propagate": True},
                # Its warnings, such as of what is no HTTP, anybody could write without end.
                "uvicorn.error": {"level": "ERROR", "handlers": [], "propagate": True},
                # Where it has a handler, uvicorn prepares a line for each request.
                "uvicorn.access": {"handlers": [], "propagate": False},
                "circus": {"level": "WARNING", "handlers": [], "propagate": True},
            },
        }
    )  # fmt: skip
    for name in list(logging.root.manager.loggerDict):
        # BentoML disables whatever loggers there are when it sets up its own.
        logging.getLogger(name).disabled = False
