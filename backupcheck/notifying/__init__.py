"""Whom a run is told.

sending  to every notifier that wants to know
news     what of a run is to be told
told     what was told already
"""
