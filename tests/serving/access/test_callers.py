"""Every route has its rule, and one without is closed."""

import pytest
from served_models import ask

from serving.access.callers import route_of
from serving.app import create_app
from serving.predictor import ResponsePredictor


@pytest.mark.parametrize(
    ("path", "label", "need"),
    [
        ("/predict", "/predict", "predict"),
        ("/v1/predict", "/predict", "predict"),
        ("/outcomes", "/outcomes", "outcomes"),
        ("/cds-services/a", "/cds-services/{id}", "predict"),
        ("/cds-services/a/feedback", "/cds-services/{id}", "predict"),
        ("/predictions/a/report", "/predictions/{id}/report", "predict"),
        ("/metrics", "/metrics", "any"),
        ("/livez", "/livez", "open"),
        ("/", "/", "open"),
        ("/predict/", "other", "admin"),
        ("//predict", "other", "admin"),
        ("/v1", "other", "admin"),
        ("/v1/v1/predict", "other", "admin"),
        ("/schema.json", "other", "admin"),
        ("", "other", "admin"),
    ],
)
def test_a_path_needs_what_the_table_says(path: str, label: str, need: str) -> None:
    assert route_of(path) == (label, need)


def test_every_route_of_the_application_is_in_the_table(predictor: ResponsePredictor) -> None:
    paths = ask(create_app(predictor), "GET", "/docs.json").json()["paths"]
    assert "/predict" in paths
    assert [path for path in paths if route_of(path)[0] == "other"] == []
