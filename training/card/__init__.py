"""The model card: what a run says of its model, ordered by four standards."""
