"""The watch over all logs can fail."""

import logging
from pathlib import Path

from planted_values import LogWatcher, logs_with_planted


def test_a_planted_value_in_an_entry_is_found_and_a_clients_own_is_not() -> None:
    watcher = LogWatcher()
    for name in ("tms_response.serving", "httpx"):
        watcher.handle(logging.makeLogRecord({"name": name, "msg": "age 61.8034", "lineno": 7}))
    watcher.handle(logging.makeLogRecord({"name": "tms_response.serving", "msg": "age 61.8"}))
    [place] = watcher.found
    assert place.startswith("tms_response.serving, ")


def test_a_planted_value_in_a_servers_log_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    for name, text in (("log", "fine"), ("service.log", "Q7-planted"), ("ledger.db", "Q7-planted")):
        (folder / name).write_text(text)
    assert logs_with_planted(tmp_path) == [str(folder / "service.log")]
    (folder / "service.log").unlink()  # or the watch over the whole suite would find it
