"""What the monitor tells of itself: metrics, logs, and the redaction of secrets in both."""
