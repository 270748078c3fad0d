"""Makers of the lab's data: what each service would have written, generated from a seed, true to its schema.

A maker is a module with `make(root, rng)`, which writes a service's files below `root` at their absolute
paths with their true modes, and `OWNERS`, which says to whom each of them belongs: the longest prefix wins,
what no prefix covers is root's. Ownership is left to the caller, for making the data needs no root.

The same state of `rng` gives the same bytes in every file and the same rows in every database. Who lives in
this home, and what one service must know of another, is in `family`, which no seed changes.
"""
