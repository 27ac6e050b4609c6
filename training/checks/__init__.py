"""Coded checks of a finished training run: what makes its result doubtful, and what to do."""
