"""The benchmarks: `make bench`. Each module has `measure()`, and what it gives is kept as JSON.

What is compared is measured in the same run, in turns; medians and ratios count, for seconds differ from machine
to machine. Modules are found by listing this folder.
"""
