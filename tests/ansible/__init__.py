"""The playbook against the lab."""
