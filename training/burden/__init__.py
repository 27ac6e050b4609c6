"""Planning information: sessions and cost for each responder, under three ways to use a model."""
