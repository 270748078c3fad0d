"""What mutants are made of: small faults put into a copy of restored data, to see whether a spec notices."""
