"""The lab: seven disposable containers that look, to a backup, like the services of a homelab."""
