"""The pull of every service into the mirror.

services   each from the first look to its marker, beside each other
preflight  what is looked at before anything changes
paced      a source within the limits of one pull
sealing    the seal of what has come
"""
