"""One module for each of the lab's services."""
