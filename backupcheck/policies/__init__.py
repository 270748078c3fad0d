"""Questions put to a whole site after a drill, one file a kind."""
