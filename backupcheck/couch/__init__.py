"""CouchDB over HTTP: a client, a server in a box, and what the file verifier reports."""
