"""The suite inside pytest; the plugin itself is `backupcheck.pytest_plugin`.

session   a drill through pytest
items     which suite a session has, and which service an item is about
recorded  what they said, as results
raised    what their exceptions say
"""
