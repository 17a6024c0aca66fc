"""Tape, and what brings files from it and back: quality of service, bulk requests and what they do."""
