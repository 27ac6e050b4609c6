"""Back to the champion before: `tms-response rollback`."""

from data_schemas.errors import UsageError
from training.promotion.succession import Reign, Succession, new_reign, succeed
from training.tracking.store import open_client, plain_mlflow


def rollback(name: str, why: str | None = None) -> Reign:
    """Return the alias to the version before, by the reigns that are written down.

    Repeated, it goes further back, one reign at a time.

    Parameters
    ----------
    name : str
        Of the registered model.
    why : str, optional
        In the user's words, which are kept.

    Returns
    -------
    Reign
        That began.

    Raises
    ------
    UsageError
        When there is no version before.
    PromotionRefusedError
        When another promotion or rollback came first.
    ServiceError
        When MLflow fails, or the version before was deleted there.
    """
    with plain_mlflow():
        client = open_client()
        before = Succession.read(client, name)
        target = before.below
        if target is None:
            raise UsageError(
                f"No version is written down that was the champion of {name} before this one; "
                "promote another run instead."
            )
        # A deleted version is found out before anything is claimed.
        client.get_model_version(name, target.version)
        reign = new_reign(before.last_number + 1, target.version, target.below, "rollback", why=why)
        succeed(client, before, reign)
    return reign
