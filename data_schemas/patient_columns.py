"""How the columns are called in a table with one row a patient, where a field has no single one.

Such tables are read by `tms-response predict` and by the model in MLflow. Every other field has a
column of its own name; a connectome has none, or one with its JSON.
"""

from typing import Final

from data_schemas.instruments import INSTRUMENTS

EXTRA_PREFIX: Final = "extra."
COIL_SITE_COLUMNS: Final = ("coil_site_x_mm", "coil_site_y_mm", "coil_site_z_mm")

# In the order of the instrument, as many as the longest that can be summed from items has.
ITEM_COLUMNS: Final = tuple(
    f"depression_item_{number}"
    for number in range(
        1,
        1 + max(len(i.item_maxima) for i in INSTRUMENTS.values() if i.domain == "depression"),
    )
)
