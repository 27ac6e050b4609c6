"""A model brought up to date on local outcomes, by as little as the outcomes ask for."""
