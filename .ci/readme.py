"""Keep the README true: run its commands, and fetch the answer it shows.

python3 .ci/readme.py commands         run every sh block that follows a `<!-- ci -->` line
python3 .ci/readme.py answer           ask the champion what the README asks, write the answer;
                                       blocks that follow a `<!-- request -->` line make a key
                                       and use it, with keys of their own
python3 .ci/readme.py answer --check   the same, but only compare
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

README = Path(__file__).parent.parent / "README.md"
COMMANDS = re.compile(r"<!-- ci -->\n```sh\n(.*?)```", re.DOTALL)
REQUEST = re.compile(r"<!-- request -->\n```sh\n(.*?)```", re.DOTALL)
ANSWER = re.compile(r"(<!-- answer:start -->\n```json\n)(.*?)(```\n<!-- answer:end -->)", re.DOTALL)
SHOWN_CONTRIBUTIONS = 3  # the largest; an answer has one for each feature
KEYS = "TMS_RESPONSE_KEYS"
LEDGER = "TMS_RESPONSE_LEDGER_URL"
READY = "http://127.0.0.1:3000/readyz"
SECONDS_TO_START = 90
PROBABILITY_TOLERANCE = 0.005  # another machine's arithmetic may differ in the last digits


def run_commands(text: str) -> None:
    """Run the marked blocks in order; the first failure ends it."""
    for block in COMMANDS.findall(text):
        print(f"README: {block}", end="", flush=True)
        subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=README.parent, check=True)


def ask(text: str) -> dict[str, Any]:
    """Start the service, send the README's request and return the answer."""
    blocks = REQUEST.findall(text)
    if not blocks:
        sys.exit("error: README.md has no block marked <!-- request -->.")
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            KEYS: f"{folder}/keys.jsonl",
            LEDGER: f"sqlite:///{folder}/l.db",
        }
        sent = serve_and_ask("".join(blocks), environment)
    answer: dict[str, Any] = json.loads(sent)
    if "response_probability" not in answer:
        sys.exit("error: the service refused the README's request.")
    return answer


def serve_and_ask(commands: str, environment: dict[str, str]) -> str:
    """Return what shell commands print while `make serve` runs."""
    service = subprocess.Popen(
        ["make", "serve"], cwd=README.parent, env=environment, start_new_session=True
    )
    try:
        wait_until_ready(service)
        return subprocess.run(
            ["bash", "-euc", commands],
            cwd=README.parent, env=environment, stdout=subprocess.PIPE, text=True, check=True,
        ).stdout  # fmt: skip
    finally:
        os.killpg(service.pid, signal.SIGINT)
        service.wait()


def wait_until_ready(service: "subprocess.Popen[bytes]") -> None:
    """Return when the service answers, or end with a sentence when it does not."""
    for _ in range(SECONDS_TO_START):
        if service.poll() is not None:
            sys.exit("error: the service ended instead of starting.")
        try:
            with urllib.request.urlopen(READY, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    sys.exit(f"error: the service was not ready within {SECONDS_TO_START} s.")


def compare(shown: dict[str, Any], answer: dict[str, Any]) -> None:
    """End with a sentence when the README shows another answer than the service gives."""
    if shown.keys() != answer.keys() or told(shown) != told(answer) or far(shown, answer):
        sys.exit("error: README.md shows an old answer; run `python3 .ci/readme.py answer`.")


def told(answer: dict[str, Any]) -> list[str]:
    """Return what an answer says in words."""
    codes = [notice["code"] for notice in answer["notices"]]
    features = [each["feature"] for each in answer["contributions"][:SHOWN_CONTRIBUTIONS]]
    return [answer["interval"]["method"], *codes, *features]


def far(shown: dict[str, Any], answer: dict[str, Any]) -> bool:
    """Return whether a probability of one answer is not that of the other."""
    pairs = [
        (shown["response_probability"], answer["response_probability"]),
        *((shown["interval"][end], answer["interval"][end]) for end in ("lower", "upper")),
    ]
    return any(abs(one - other) > PROBABILITY_TOLERANCE for one, other in pairs)


def pretty(answer: dict[str, Any]) -> str:
    """Return JSON with a line an entry, which is short enough for a README."""
    lines = []
    for name, value in answer.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list):
            entries = [f"    {json.dumps(entry, ensure_ascii=False)}" for entry in value]
            text = "[\n" + ",\n".join(entries) + "\n  ]"
        lines.append(f"  {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main(arguments: list[str]) -> None:
    """Carry out one of the uses named above."""
    text = README.read_text(encoding="utf-8")
    if arguments == ["commands"]:
        run_commands(text)
        return
    answer, shown = ask(text), ANSWER.search(text)
    if shown is None:
        sys.exit("error: README.md has no block between answer:start and answer:end.")
    if arguments == ["answer", "--check"]:
        compare(json.loads(shown.group(2)), answer)
        return
    answer["contributions"] = answer["contributions"][:SHOWN_CONTRIBUTIONS]
    README.write_text(ANSWER.sub(lambda m: f"{m[1]}{pretty(answer)}{m[3]}", text), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
