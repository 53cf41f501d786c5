"""Services over a real SQLite store and fakes of everything else."""
