"""The HTTP service: the wall, its WebSocket, and what scripts and probes ask."""
