"""Publishers for the benchmarks of WebRTC."""
