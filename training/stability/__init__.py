"""Stability: what the pipeline would have answered had the cohort been drawn again."""
