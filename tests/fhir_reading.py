"""Reading resources in tests: what comes out, and how it is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fhir_bundles import bundle

from serving.fhir.reading import Reading
from serving.fhir.resources import bundle_resources
from serving.fhir.route import FhirReader
from serving.requests import RequestError

PLANTED = 7731.625


def read(reader: FhirReader, *resources: dict[str, Any]) -> Reading:
    return reader.read(bundle_resources(bundle(*resources)), datetime.now(UTC))


def refusal(reader: FhirReader, *resources: dict[str, Any]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(reader, *resources)
    assert caught.value.status == 422
    assert str(PLANTED) not in str(caught.value)
    return caught.value


def reasons(reading: Reading) -> dict[str, str]:
    return {each.reference: each.reason for each in reading.unused}
