from training.checks.page import PAGE, page
from training.checks.run import ALL_CHECKS


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m training.checks.page`"


def test_every_check_has_a_section_and_links_to_its_sources() -> None:
    text = page()
    for check in ALL_CHECKS:
        assert text.count(f"\n## {check.code}\n") == 1
    assert "[doi:10.1002/sim.7992](https://doi.org/10.1002/sim.7992);" in text
