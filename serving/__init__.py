"""How a model answers: the fitted predictor, its service and its packaging."""
