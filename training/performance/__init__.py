"""Judging held-out predictions: measures, intervals, and the one evaluation table."""
