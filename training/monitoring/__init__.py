"""What happens after the first prediction: drift, calibration over time, and alarms."""
