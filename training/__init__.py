"""How numbers become a model that can be trusted: reading, validating, fitting, reporting."""
