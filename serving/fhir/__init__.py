"""FHIR R4: a Bundle of one patient's resources in, a RiskAssessment or an OperationOutcome out."""
