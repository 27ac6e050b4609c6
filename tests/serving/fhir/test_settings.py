"""What a clinic may set, and how a wrong setting is refused."""

import pytest

from data_schemas.errors import ConfigurationError
from serving.fhir.settings import (
    BASE_VARIABLE,
    RECENCY_VARIABLE,
    SOURCE_VARIABLE,
    FhirSettings,
)


def test_nothing_set_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (BASE_VARIABLE, RECENCY_VARIABLE, SOURCE_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    assert FhirSettings.from_environment() == FhirSettings()


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASE_VARIABLE, "urn:clinic")
    monkeypatch.setenv(RECENCY_VARIABLE, "14")
    monkeypatch.setenv(SOURCE_VARIABLE, "https://clinic.example")
    assert FhirSettings.from_environment() == FhirSettings(
        "urn:clinic", 14, "https://clinic.example"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (BASE_VARIABLE, "clinic"), (BASE_VARIABLE, "https://clinic.example/"),
        (RECENCY_VARIABLE, "0"), (RECENCY_VARIABLE, "-3"), (RECENCY_VARIABLE, "366"),
        (RECENCY_VARIABLE, "two weeks"), (RECENCY_VARIABLE, "9" * 5000),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        FhirSettings.from_environment()
