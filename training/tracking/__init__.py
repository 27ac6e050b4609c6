"""MLflow: the run, its store, and the registered model."""
