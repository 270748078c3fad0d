"""Every mutator, by the contract that all of them keep."""
