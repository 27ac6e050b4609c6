"""What data is: patients, instruments, outcomes, connectomes, cohorts, predictions, errors."""
