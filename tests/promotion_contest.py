"""Two processes that promote at the same moment, again and again, in one MLflow store."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]

# Both read, wait for each other, and only then try: of each round one must win.
_CONTENDER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
me, other, rounds = sys.argv[2], sys.argv[3], int(sys.argv[4])
from data_schemas.errors import PromotionRefusedError
from training.promotion.succession import Succession, new_reign, succeed
from training.tracking.store import open_client, plain_mlflow
with plain_mlflow():
    client = open_client()
    for number in range(rounds):
        before = Succession.read(client, "tms-response")
        present = before.with_present()
        reign = new_reign(present.last_number + 1, me, present.last_number, "promotion")
        Path(f"ready-{me}-{number}").touch()
        while not Path(f"ready-{other}-{number}").exists():
            time.sleep(0.001)
        try:
            succeed(client, before, reign)
            print("won", flush=True)
        except PromotionRefusedError as error:
            print("told", error.exit_code, flush=True)
        Path(f"done-{me}-{number}").touch()
        while not Path(f"done-{other}-{number}").exists():
            time.sleep(0.001)
"""


def contend(folder: Path, rounds: int) -> list[str]:
    """Let versions 2 and 3 contend for the champion, in the store of the environment.

    Parameters
    ----------
    folder : Path
        Where the two processes work; empty of earlier contests.
    rounds : int

    Returns
    -------
    list of str
        The version that won each round; the other one was told.
    """
    contenders = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _CONTENDER, _ROOT, me, other, str(rounds)],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for me, other in (("2", "3"), ("3", "2"))
    ]  # fmt: skip
    outputs = [contender.communicate(timeout=120) for contender in contenders]
    assert [errors for _, errors in outputs] == ["", ""]
    results = [said.splitlines() for said, _ in outputs]
    assert [len(said) for said in results] == [rounds, rounds]
    for pair in zip(*results, strict=True):
        assert sorted(pair) == ["told 14", "won"]
    return ["2" if mine == "won" else "3" for mine in results[0]]
