"""The parts of `benchmarks.detectors`: what is measured, on what, and how."""
