"""A simulated cohort whose every parameter has a source, and what could be known from it.

No real person is in it. `simulate` writes it as a BIDS folder, `draw_patients` keeps it in
memory, and the oracle gives the best prediction that anybody could make from what was observed.
"""
