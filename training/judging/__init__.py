"""All that is measured of a cohort's models: which fits are made, and what is read from them."""
