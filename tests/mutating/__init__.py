"""What puts mutants into copies, and asks."""
