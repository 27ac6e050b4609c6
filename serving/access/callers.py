"""What a caller may do, and what each route asks of its callers."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Scope = Literal["predict", "outcomes", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

# What a route needs: one of the scopes, any recognised caller, or nothing.
Need = Literal["predict", "outcomes", "admin", "any", "open"]

# The documents describe the service, not patients; load balancers and browsers bring no key.
ROUTES: Final[dict[str, Need]] = {
    "/livez": "open",
    "/readyz": "open",
    "/healthz": "open",
    "/docs.json": "open",
    "/": "open",
    "/metrics": "any",
    "/model": "any",
    "/model/card": "open",
    "/predict": "predict",
    "/predict_batch": "predict",
    "/outcomes": "outcomes",
    "/cds-services": "predict",
    "/fhir/risk-assessment": "predict",
}
# Routes with a part that varies, by what stands before it; the label stands for all of them.
PREFIXES: Final[dict[str, tuple[str, Need]]] = {
    "/cds-services/": ("/cds-services/{id}", "predict"),
    "/predictions/": ("/predictions/{id}/report", "predict"),
    "/fhir/": ("/fhir/{path}", "predict"),
    "/page/": ("/page/{file}", "open"),
    "/static/": ("/static/{file}", "open"),
}
OTHER_ROUTE: Final = "other"
_VERSION: Final = "/v1"


@dataclass(frozen=True)
class Caller:
    """Somebody who was recognised.

    Attributes
    ----------
    name : str
        For logs and the ledger: `key:` and the id of a key, or `token:` and its issuer.
    scopes : frozenset of str
        Of `SCOPES`.
    """

    name: str
    scopes: frozenset[str]


# Who asks for what needs nothing.
NOBODY: Final = Caller("nobody", frozenset())


def route_of(path: str) -> tuple[str, Need]:
    """Return the label of a path, and what it needs.

    `/v1/...` is the same as without. A path that is not listed needs `admin`, so that a route which
    somebody forgets to list is closed rather than open.
    """
    if path.startswith(_VERSION + "/"):
        path = path.removeprefix(_VERSION)
    need = ROUTES.get(path)
    if need is not None:
        return path, need
    for prefix, (label, prefix_need) in PREFIXES.items():
        if path.startswith(prefix):
            return label, prefix_need
    return OTHER_ROUTE, "admin"
