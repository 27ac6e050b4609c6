"""Schemathesis draws requests from `/docs.json`: each answer keeps what the document promises."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from ledgers import KEYS
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
)

from serving.app import create_app
from serving.ledger.ledger import Ledger
from serving.predictor import ResponsePredictor
from serving.settings import RATE_VARIABLE

BY_DAY = 25
OPERATIONS = [
    (prefix + path, method)
    for prefix in ("", "/v1")
    for path, method in (
        ("/predict", "POST"),
        ("/predict_batch", "POST"),
        ("/outcomes", "POST"),
        ("/predictions/{prediction_id}/report", "GET"),
        ("/model", "GET"),
        ("/model/card", "GET"),
        ("/fhir/risk-assessment", "POST"),
        ("/cds-services", "GET"),
        ("/cds-services/{service_id}", "POST"),
        ("/cds-services/{service_id}/feedback", "POST"),
    )
]
ASKED = [
    (path, method, mode)
    for path, method in OPERATIONS
    for mode in GenerationMode
    # A request without parameters and body cannot be wrong.
    if method == "POST" or mode is GenerationMode.POSITIVE
]


@pytest.fixture(scope="module")
def api(
    network_predictor: ResponsePredictor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("contract")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", KEYS, folder / "outbox.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RATE_VARIABLE, "0")
        app = create_app(network_predictor, ledger)
    found = schemathesis.openapi.from_asgi("/docs.json", app)
    # Keys are asked for by the `Front`, which stands before this application and has its own tests.
    for operations in found.raw_schema["paths"].values():
        for operation in operations.values():
            del operation["security"]
    yield found
    ledger.close()


def test_no_operation_is_left_out(api: Any) -> None:
    found = [each.ok() for each in api.get_all_operations()]
    assert {(each.path, each.method.upper()) for each in found} == set(OPERATIONS)


@pytest.mark.parametrize(("path", "method", "mode"), ASKED)
@pytest.mark.parametrize("n", [BY_DAY, pytest.param(1_000, marks=pytest.mark.nightly)])
def test_every_operation_keeps_its_promises(
    api: Any, path: str, method: str, mode: GenerationMode, n: int
) -> None:
    """Run the checks of schemathesis on requests that fit the document, and on some that do not.

    Two do not hold by design. Fields are tied to each other and to the model (a total to the range
    of its instrument), which no schema of single fields tells; and a batch with a bad patient is
    answered, with an error object in its place.
    """
    broken_by_design: list[Any] = [positive_data_acceptance]
    if path.endswith("/predict_batch"):
        broken_by_design.append(negative_data_rejection)

    # Of an alias, which is the same code, a few by day.
    n_examples = 5 if n == BY_DAY and path.startswith("/v1") else n

    @settings(max_examples=n_examples, suppress_health_check=list(HealthCheck))
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    def keeps_its_promises(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(excluded_checks=broken_by_design)

    keeps_its_promises()
