"""What is kept to show why an incident was raised."""
