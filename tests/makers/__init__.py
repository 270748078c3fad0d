"""Tests of the lab's makers: what they write is checked against the services' facts, independently of them."""
