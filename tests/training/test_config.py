from pathlib import Path

import pytest

from data_schemas.errors import ConfigurationError
from training.config import load_config


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_users_file_changes_only_what_it_names(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "seed = 11\n[boosting]\nmax_bin = 63\n"))
    default = load_config()
    assert (config.seed, config.boosting.max_bin) == (11, 63)
    assert config.validation == default.validation
    assert config.boosting.num_leaves == default.boosting.num_leaves
    assert config.digest != default.digest


def test_cuts_take_names_of_the_users_own(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "[subgroups.cuts]\nage_years = [30, 50, 65]\n"))
    assert config.subgroups.cuts == {"age_years": (30, 50, 65)}
    assert load_config().subgroups.cuts == {}
    with pytest.raises(ConfigurationError, match=r"subgroups\.cuts\.age_years"):
        load_config(write(tmp_path, "[subgroups.cuts]\nage_years = ['young']\n"))


def test_digest_depends_on_the_choices_alone(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "seed = 7\n")).digest == load_config().digest


def test_no_cost_is_known_until_all_of_it_is_given(tmp_path: Path) -> None:
    assert load_config().burden.costs is None
    costs = "session = 180\nnext_step = 0\nnext_step_rate = 0.2\ncurrency = 'EUR'\n"
    given = load_config(write(tmp_path, f"[burden.costs]\n{costs}")).burden.costs
    assert given is not None
    assert (given.session, given.next_step) == (180, 0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[burden.costs]\nsession = 180", "burden.costs.next_step: is required"),
        ("[burden.costs]\nprice = 180", "burden.costs.price: is not a known field"),
        ("[burden]\nthresholds = [0.5, 0.4]", "burden.thresholds: should lie between 0 and 1"),
        ("[burden]\nthresholds = [0, 0.4]", "burden.thresholds: should lie between 0 and 1"),
        ("sed = 1", "sed: is not a setting. Did you mean 'seed'?"),
        ("[boosting]\nmaxbin = 1", "maxbin: is not a setting. Did you mean 'max_bin'?"),
        ("[minimum]\nsmaller_class = 3", "minimum.smaller_class: is out of range"),
        ("[validation]\nfolds = 1", "validation.folds: is out of range (allowed: 2 to 20)"),
        (
            "[validation]\nconfidence = 1.5",
            "validation.confidence: is out of range (allowed: at least 0.5, less than 1)",
        ),
        (
            "[course]\nlandmark_weeks = [2, 1]",
            "course.landmark_weeks: should be above 0 and ascend",
        ),
        (
            "[course]\nlandmark_weeks = [0, 1]",
            "course.landmark_weeks: should be above 0 and ascend",
        ),
        ("outcome = 'cure'", "outcome: is not one of the allowed values"),
        ("seed = ", "is not TOML"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_config(write(tmp_path, text))
    assert sentence in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml cannot be read"):
        load_config(tmp_path / "absent.toml")
