"""From scores to incidents: calibration, evidence over time, the life of an incident. Pure."""
