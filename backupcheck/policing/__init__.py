"""The policies of a site, put to a run.

judging    each asked and judged
repeating  what only says again what a service said
"""
