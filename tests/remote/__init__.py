"""Tests of the machines that services run on, each against a real sshd and a real rsync."""
