"""CDS Hooks: services that answer an EHR's call with cards for the clinician."""
