"""Fitting: who is held out together, LightGBM, recalibration, comparators, the artefact."""
