"""The tables that nightly proofs draw are those that the whole road through files gives."""

from pathlib import Path

import numpy as np
from drawn_tables import drawn_table

from training.cohort.read import read_cohort
from training.config import load_config
from training.dataset import build_table
from training.simulator.draw import draw_patients
from training.simulator.writer import simulate


def test_a_drawn_table_is_that_of_the_files(tmp_path: Path) -> None:
    config = load_config()
    simulate(tmp_path / "cohort", 60, 3, "elbau", 11, n_matrices=12)
    read = build_table(read_cohort(tmp_path / "cohort"), config)
    drawn = drawn_table(draw_patients(60, "elbau", 11, 3), config, 12)
    assert read.features == drawn.features
    np.testing.assert_array_equal(drawn.X, read.X)
    np.testing.assert_array_equal(drawn.y, read.y)
    np.testing.assert_array_equal(drawn.site, read.site)
    assert read.site_names == drawn.site_names
    assert drawn.has_connectome.any()
