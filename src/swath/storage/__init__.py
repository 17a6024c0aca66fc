"""Bytes under URIs: where they live, and how they are reached."""
