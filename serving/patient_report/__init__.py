"""One page about one prediction, for the patient and the clinician to read together."""
