"""A reader of FHIR around a small model."""

import pytest

from serving.fhir.route import FhirReader
from serving.fhir.settings import FhirSettings
from serving.predictor import ResponsePredictor


@pytest.fixture(scope="session")
def reader(predictor: ResponsePredictor) -> FhirReader:
    """Reads for a model of the PHQ-9 and the GAD-7."""
    return FhirReader(predictor, FhirSettings())
