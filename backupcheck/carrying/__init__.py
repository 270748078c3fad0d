"""Proofs that are carried to a later drill of the same data.

proofs    which, and judged by today's clock
sameness  all that must be the same beside the data
"""
