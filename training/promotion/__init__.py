"""Which version of a model is the champion: promotion with evidence, and the way back."""
