from training.planning.page import PAGE, page


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m training.planning.page`"
