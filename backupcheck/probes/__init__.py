"""Programs that run inside a box with the Python that is there (3.9 or newer), and need nothing else."""
