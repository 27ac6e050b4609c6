"""How many patients a model needs, and how precisely a given number of them would tell."""
