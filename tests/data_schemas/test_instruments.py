import pytest

from data_schemas.errors import DataError
from data_schemas.instruments import INSTRUMENTS, Instrument, get_instrument

ALL = pytest.mark.parametrize("instrument", INSTRUMENTS.values(), ids=list(INSTRUMENTS))


@ALL
def test_thresholds_lie_inside_the_range(instrument: Instrument) -> None:
    inside = range(instrument.minimum, instrument.maximum + 1)
    cutoffs = [*instrument.severity_bands]
    if instrument.remission_cutoff is not None:
        cutoffs.append(instrument.remission_cutoff)
    assert all(cutoff in inside for cutoff in cutoffs)
    assert list(instrument.severity_bands) == sorted(set(instrument.severity_bands))


@ALL
def test_items_add_up_to_the_range(instrument: Instrument) -> None:
    if instrument.item_maxima:
        assert sum(instrument.item_maxima) == instrument.maximum
        assert instrument.total_from_items(instrument.item_maxima) == instrument.maximum


@ALL
def test_every_instrument_names_its_source(instrument: Instrument) -> None:
    assert len(instrument.source) > 10


@ALL
def test_severity_band_never_falls_as_the_total_rises(instrument: Instrument) -> None:
    bands = [instrument.severity_band(total) for total in range(instrument.maximum + 1)]
    known = [band for band in bands if band is not None]
    assert known == sorted(known)
    assert not known or (known[0], known[-1]) == (0, len(instrument.severity_bands))


def test_published_phq_9_bands() -> None:
    phq9 = get_instrument("PHQ-9")
    totals = {4: 0, 5: 1, 9: 1, 10: 2, 14: 2, 15: 3, 19: 3, 20: 4, 27: 4}
    assert {total: phq9.severity_band(total) for total in totals} == totals


def test_incomplete_items_are_refused_not_prorated() -> None:
    with pytest.raises(DataError, match="9 items and 8 were given"):
        get_instrument("PHQ-9").total_from_items((1,) * 8)


def test_item_out_of_range_is_named_by_number() -> None:
    with pytest.raises(DataError, match="item 4 must lie between 0 and 2") as caught:
        get_instrument("HDRS-17").total_from_items((0, 0, 0, 3, *[0] * 13))
    assert "3 " not in caught.value.message


def test_unknown_instrument_names_the_nearest() -> None:
    with pytest.raises(DataError, match=r"Did you mean 'HDRS-17'\?"):
        get_instrument("HDRS17")
