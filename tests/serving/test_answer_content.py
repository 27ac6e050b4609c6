"""One content: its dictionaries and the bytes that are sent say the same."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data_schemas.prediction import Notice
from serving.answer_content import AnswerContents, to_json
from serving.calibrated_trees import IntervalContent
from serving.predictor import ResponsePredictor

finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=12)
notices = st.builds(Notice, code=texts, field=st.none() | texts, message=texts)
intervals = st.builds(
    IntervalContent, lower=st.floats(0, 1), upper=st.floats(0, 1), level=st.just(0.9), method=texts
)


def contents(predictor: ResponsePredictor, label: str, unit: str) -> AnswerContents:
    """Return those of a model whose features have such names."""
    first, *others = predictor.document.features
    named = first.model_copy(update={"label": label, "unit": unit})
    document = predictor.document.model_copy(update={"features": (named, *others)})
    return AnswerContents(document, baseline_log_odds=-0.25)


@settings(max_examples=60)
@given(data=st.data())
def test_what_is_sent_is_what_the_dictionaries_say(
    predictor: ResponsePredictor, data: st.DataObject
) -> None:
    made = contents(predictor, data.draw(texts), data.draw(texts))
    p = len(predictor.features)
    # Any number but those that no feature and no contribution can be.
    row = data.draw(arrays(np.float64, p, elements=finite | st.just(np.nan)))
    log_odds = data.draw(arrays(np.float64, p, elements=finite | st.sampled_from([0.0, -0.0])))
    explained = data.draw(st.booleans())
    content = made.answer(
        data.draw(st.lists(notices, max_size=3)),
        data.draw(st.none() | st.floats(0, 1)),
        data.draw(st.none() | intervals),
        made.named(row, log_odds) if explained else (),
    )
    sent = json.loads(to_json(content))
    assert sent == {**content, "contributions": [*content["contributions"]]}
    assert list(sent) == list(content)
    if explained:
        listed = content["contributions"]
        assert len(listed) == p
        assert [list(each) for each in sent["contributions"]] == [list(each) for each in listed]
        by_name = {each["feature"]: each for each in listed}
        own = [by_name[feature.name] for feature in predictor.features]
        assert [each["log_odds"] for each in own] == log_odds.tolist()
        assert [each["value"] for each in own] == [
            None if np.isnan(value) else value for value in row
        ]
        sizes = [abs(each["log_odds"]) for each in listed]
        assert sizes == sorted(sizes, reverse=True)


def test_contributions_of_one_size_keep_the_order_of_the_features(
    predictor: ResponsePredictor,
) -> None:
    p = len(predictor.features)
    log_odds = np.where(np.arange(p) % 2, 0.5, -0.5)
    named = contents(predictor, "Age", "years").named(np.zeros(p), log_odds)
    assert [each["feature"] for each in named] == [each.name for each in predictor.features]
    assert (named[0]["label"], named[-1]) == ("Age", [*named][-1])
    assert named[1:3] == [named[1], named[2]]


def test_nothing_else_is_written_in_another_way() -> None:
    with pytest.raises(TypeError):
        to_json({"response_probability": 0.5, "row": np.zeros(2)})
