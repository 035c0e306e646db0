"""Measurements, one command each; see docs/benchmarks.md. They print tables of ratios taken in one run."""
