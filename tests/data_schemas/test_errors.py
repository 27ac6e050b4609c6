import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_schemas import errors
from data_schemas.errors import DataError, FieldProblem, did_you_mean, field_problems, nearest


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    age_years: float = Field(ge=10, le=110)
    name: str = Field(max_length=3)


def _problems(**given: object) -> list[FieldProblem]:
    with pytest.raises(ValidationError) as caught:
        _Record.model_validate(given)
    return field_problems(caught.value)


def test_every_mistake_of_a_user_has_its_own_exit_code() -> None:
    subclasses = errors.TmsResponseError.__subclasses__()
    tree = [kind for kind in subclasses if kind.__module__ == errors.__name__]
    codes = [kind.exit_code for kind in tree]
    assert dict(zip([kind.__name__ for kind in tree], codes, strict=True)) == {
        "UsageError": 2,
        "DataError": 10,
        "ConfigurationError": 11,
        "ModelError": 12,
        "ServiceError": 13,
        "PromotionRefusedError": 14,
    }


def test_message_lists_its_problems_and_counts_the_rest() -> None:
    problems = [FieldProblem("age", "is not a number", row=row) for row in range(2, 62)]
    text = str(DataError("The table is wrong.", problems))
    assert text.startswith("The table is wrong.\n  - row 2, age: is not a number")
    assert text.endswith("and 10 more")


def test_nearest_ignores_case_and_gives_up_on_strangers() -> None:
    assert nearest("madrs", ["HDRS-17", "MADRS"]) == "MADRS"
    assert nearest("zebra", ["HDRS-17", "MADRS"]) is None
    assert did_you_mean("zebra", ["MADRS"]) == ""


def test_problems_name_field_and_limit_but_never_the_value() -> None:
    problems = _problems(age_years=431.5, name="Zebulon")
    assert [problem.field for problem in problems] == ["age_years", "name"]
    assert "110" in problems[0].allowed
    assert "431" not in str(problems)
    assert "Zebulon" not in str(problems)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"age_years": "old", "name": "a"}, "should be a number"),
        ({"age_years": 40}, "is required"),
        ({"age_years": 40, "name": "a", "agge": 1}, "is not a known field"),
        ({"age_years": 40, "name": 7}, "should be text"),
    ],
)
def test_each_kind_of_problem_has_a_sentence(given: dict[str, object], sentence: str) -> None:
    assert sentence in str(_problems(**given)[0])
