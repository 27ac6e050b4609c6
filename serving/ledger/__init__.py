"""What was predicted, for whom and by which model, and what happened later."""
