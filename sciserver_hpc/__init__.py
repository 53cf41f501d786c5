"""A science portal and job broker for Slurm clusters: notebooks and jobs in Apptainer images, as the user."""

__version__ = "0.1.0"
