"""Talks to schedulers: Slurm by its command line, and none at all (local)."""
