"""The pull as a whole: order, limits, hooks, refusals, recovery."""
