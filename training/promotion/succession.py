"""Who is champion after whom, in tags of the registered model; of two at once, one succeeds.

Each reign is written as the tag `champion.<number>`, and is never changed. The alias `champion` is
what services follow. MLflow changes tags and aliases without looking at what they were, so that the
end of a reign is claimed first: as the parameter `succession.<number>` of the champion's run, which
MLflow lets nobody write twice with another value.
"""

import getpass
import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from data_schemas.errors import PromotionRefusedError
from training.tracking.registered_model import CHAMPION

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PREFIX: Final = f"{CHAMPION}."
# From its claim to its alias a promotion makes three calls to MLflow. One that takes longer has
# died, and its claim is passed over.
_SECONDS_TO_SUCCEED: Final = 20.0
_SECONDS_BETWEEN_LOOKS: Final = 0.5


class Reign(BaseModel):
    """One version as champion, from some moment on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1, description="Reigns are counted from 1.")
    version: str = Field(description="Of the registered model; empty where there was none.")
    below: int | None = Field(description="The reign that a rollback returns to; null for none.")
    how: str = Field(description="promotion, rollback, found or passed over.")
    by: str = Field(description="User who ran the command.")
    at: str = Field(description="Moment in UTC.")
    why: str | None = Field(default=None, description="In the user's words.")
    against: tuple[str, ...] = Field(default=(), description="Reasons that were overridden.")
    evidence: dict[str, Any] | None = Field(default=None, description="Of a promotion.")


@dataclass(frozen=True)
class Succession:
    """The champion of a registered model, and the reigns that are written down.

    Attributes
    ----------
    name : str
        Of the registered model.
    champion : str or None
        The version that the alias means now.
    reigns : tuple of Reign
        In their order.
    """

    name: str
    champion: str | None
    reigns: tuple[Reign, ...]

    @classmethod
    def read(cls, client: "MlflowClient", name: str) -> "Succession":
        """Read the succession of a registered model."""
        model = client.get_registered_model(name)
        written = [text for key, text in model.tags.items() if key.startswith(_PREFIX)]
        reigns = sorted(map(Reign.model_validate_json, written), key=lambda reign: reign.number)
        version = model.aliases.get(CHAMPION)
        return cls(name, None if version is None else str(version), tuple(reigns))

    @property
    def last_number(self) -> int:
        """Number of the latest reign; 0 where none is written down."""
        return self.reigns[-1].number if self.reigns else 0

    @property
    def present(self) -> Reign | None:
        """The reign of the present champion, where it is written down."""
        latest = self.reigns[-1] if self.reigns else None
        return latest if latest is not None and latest.version == self.champion else None

    @property
    def below(self) -> Reign | None:
        """The reign that a rollback returns to, where it is written down."""
        number = None if self.present is None else self.present.below
        return next((each for each in self.reigns if each.number == number), None)

    def rollback_of(self, version: str) -> Reign | None:
        """Return the latest rollback that ended a reign of this version, if one did."""
        ends = [later for earlier, later in pairwise(self.reigns)
                if earlier.version == version and later.how == "rollback"]  # fmt: skip
        return ends[-1] if ends else None

    def with_present(self) -> "Succession":
        """Return it with the present champion's reign, as found where somebody else began it."""
        if self.champion is None or self.present is not None:
            return self
        found = new_reign(self.last_number + 1, self.champion, None, "found")
        return Succession(self.name, self.champion, (*self.reigns, found))


def new_reign(number: int, version: str, below: int | None, how: str, **more: Any) -> Reign:  # noqa: ANN401
    """Return a reign that begins now, by this user."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"number": number, "version": version, "below": below, "how": how, **more}
    return Reign.model_validate({**content, "by": _user(), "at": now})


def succeed(client: "MlflowClient", before: Succession, reign: Reign) -> None:
    """Let a new reign begin, unless another one began since `before` was read.

    Parameters
    ----------
    client : MlflowClient
    before : Succession
        As it was read before the reign was decided on.
    reign : Reign
        The next one of `before.with_present()`.

    Raises
    ------
    PromotionRefusedError
        When another promotion or rollback came first; nothing is changed then.
    """
    if not _claim(client, before, reign):
        what = "came first" if _other_succeeded(client, before) else "began and was not ended"
        raise PromotionRefusedError(
            f"Another promotion or rollback of {before.name} {what}; this one changed nothing. "
            "Run the command again, which compares with the champion of then."
        )
    if reign.how == "promotion":
        text = reign.model_dump_json()
        client.set_model_version_tag(before.name, reign.version, "promotion", text)
    # The alias comes before the tags: from then on another claim is one of the new champion's run.
    client.set_registered_model_alias(before.name, CHAMPION, reign.version)
    for each in (*before.with_present().reigns[len(before.reigns) :], reign):
        _write(client, before.name, each)


def _write(client: "MlflowClient", name: str, reign: Reign) -> None:
    client.set_registered_model_tag(name, f"{_PREFIX}{reign.number}", reign.model_dump_json())


def _claim(client: "MlflowClient", before: Succession, reign: Reign) -> bool:
    """Return whether this process is the one that ends the present reign."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    run_id = _claimed_run(client, before)
    key = f"succession.{before.last_number}"
    mine = json.dumps({"version": reign.version, "claim": uuid.uuid4().hex})
    try:
        client.log_param(run_id, key, mine, synchronous=True)
    except MlflowException:
        if client.get_run(run_id).data.params.get(key) is None:
            raise
        return False
    # Who read before another one ended, and claims after it, has claimed what is over.
    now = Succession.read(client, before.name)
    return (now.champion, now.last_number) == (before.champion, before.last_number)


def _claimed_run(client: "MlflowClient", before: Succession) -> str:
    """Return the run of the champion or, where there is none, of the first version."""
    if before.champion is not None:
        return str(client.get_model_version(before.name, before.champion).run_id)
    versions = client.search_model_versions(f"name = '{before.name}'")
    return str(min(versions, key=lambda each: int(each.version)).run_id)


def _other_succeeded(client: "MlflowClient", before: Succession) -> bool:
    """Wait until the other one has succeeded; where it died, pass over it for the next one."""
    until = time.monotonic() + _SECONDS_TO_SUCCEED
    while time.monotonic() < until:
        now = Succession.read(client, before.name)
        if (now.champion, now.last_number) != (before.champion, before.last_number):
            return True
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    # A further number for the same champion, so that the dead claim bars nothing.
    below = None if before.present is None else before.present.below
    number, version = before.last_number + 1, before.champion or ""
    _write(client, before.name, new_reign(number, version, below, "passed over"))
    return False


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
