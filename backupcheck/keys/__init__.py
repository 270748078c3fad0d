"""Keys, certificates and secrets: read, matched and judged, never told."""
