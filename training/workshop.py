"""What every stage of a run needs: its settings, where it runs, and who is told of progress."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from training.config import TrainingConfig
from training.engine.engines import Engine
from training.engine.work import Work


@dataclass(frozen=True)
class Workshop:
    """The means of a run.

    Attributes
    ----------
    config : TrainingConfig
    engine : Engine
        Where tasks run.
    work : Work or None
        Where finished tasks are kept.
    progress : callable
        Called with the stage, the tasks done and the tasks in all.
    """

    config: TrainingConfig
    engine: Engine
    work: Work | None
    progress: Callable[[str, int, int], None]

    def stage(self, name: str) -> Callable[[int, int], None]:
        """Return what reports the progress of one stage."""
        return partial(self.progress, name)
