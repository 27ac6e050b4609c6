"""`update.json`: an update on local outcomes and how it fared on them, without a patient's data."""

from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_schemas.errors import DataError, UsageError, field_problems
from serving.predictor import ResponsePredictor
from serving.update_document import LocalUpdate
from training.checks.performance_checks import IMPLAUSIBLE, PLAUSIBLE_AUROC
from training.promotion.comparison import AUROC
from training.promotion.evidence import Evidence
from training.summary import Finding

UPDATE_FILE: Final = "update.json"


class JudgedUpdate(BaseModel):
    """What leaves the place of the outcomes: the update, and its comparison with its parent."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    update: LocalUpdate
    evidence: Evidence = Field(
        description="Of the local patients, each by an update that was estimated without them."
    )

    def save(self, path: Path) -> None:
        """Write it for use elsewhere."""
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it.

        Raises
        ------
        UsageError, DataError
            When it cannot be read, or is no update.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError:
            raise UsageError(f"{path} cannot be read; name a file that --estimate wrote.") from None
        except ValidationError as error:
            message = f"{path} is not an update; name a file that --estimate wrote."
            raise DataError(message, field_problems(error)) from None

    def against(
        self, challenger: ResponsePredictor, champion: ResponsePredictor
    ) -> Evidence | None:
        """Return the comparison; None where the champion is more than this update away.

        Another model's answers to these patients are not known.
        """
        before = list(champion.versions)
        if self.update.parent not in before:
            return None
        place = before.index(self.update.parent)
        before[place : place + 1] = challenger.versions[place : place + 1]
        return self.evidence if tuple(before) == challenger.versions else None

    @property
    def not_comparable(self) -> str:
        """What to do where there is no comparison."""
        return (
            f"It is an update of version {self.update.parent}, which is not the champion as it is "
            "now; update the champion itself, or compare them on another cohort with --cohort."
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What those checks find that can be made on outcomes alone.

        All others are about inputs and trees, which are the parent's.
        """
        aurocs = [each.challenger for each in self.evidence.compared if each.metric == AUROC]
        return tuple(
            IMPLAUSIBLE.finding(f"The model reaches an AUROC of {auroc:.3f} in local patients.")
            for auroc in aurocs
            if auroc > PLAUSIBLE_AUROC
        )
