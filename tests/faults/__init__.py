"""Faults: each injected into a healthy service, caught, and named."""
