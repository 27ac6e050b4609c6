import pytest
from pydantic import ValidationError

from data_schemas.prediction import ErrorBody, Interval, Prediction


def test_probabilities_are_not_percentages() -> None:
    with pytest.raises(ValidationError):
        Interval(lower=0.3, upper=47.0, level=0.9, method="spread")


@pytest.mark.parametrize("model", [Prediction, ErrorBody, Interval])
def test_every_property_is_described(model: type[Prediction | ErrorBody | Interval]) -> None:
    schema = model.model_json_schema()
    for definition in [schema, *schema.get("$defs", {}).values()]:
        for name, prop in definition["properties"].items():
            assert "description" in prop or "$ref" in prop, name
