"""How a patient becomes a row of named numbers."""
