"""Benchmarks: programs, not tests. Run `./dev bench NAME`; figures and what they mean are in README.md."""
