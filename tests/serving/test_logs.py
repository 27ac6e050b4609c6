"""Logs are JSON, and hold neither the text of an exception nor its traceback."""

import json
import logging
import sys

import pytest

from serving.logs import REQUEST_ID, JsonFormatter, describe

PLANTED = "61.8034"


def entry_of(message: str = "Said.", **more: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": message, **more})
    line = JsonFormatter().format(record)
    assert "\n" not in line
    content: dict[str, object] = json.loads(line)
    return content


def test_an_entry_says_when_who_and_what() -> None:
    entry = entry_of("two\nlines", fields={"status": 200})
    assert {"level": "info", "logger": "a", "message": "two\nlines", "status": 200}.items() <= (
        entry.items()
    )
    assert "request_id" not in entry
    assert str(entry["time"]).endswith("+00:00")


def test_an_entry_of_a_request_has_its_id() -> None:
    token = REQUEST_ID.set("abc")
    try:
        assert entry_of()["request_id"] == "abc"
    finally:
        REQUEST_ID.reset(token)


def test_an_exception_is_named_and_not_quoted() -> None:
    try:
        float(f"{PLANTED}x")
    except ValueError:
        entry = entry_of(exc_info=sys.exc_info())
    assert str(entry["exception"]).startswith("ValueError at ")
    assert PLANTED not in json.dumps(entry)


@pytest.mark.parametrize("error", [KeyError(PLANTED), OSError(2, PLANTED)])
def test_an_exception_that_was_not_raised_has_no_place(error: Exception) -> None:
    assert describe(error) == type(error).__name__
