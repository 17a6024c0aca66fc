"""Fakes, small scenes and contract tests; plug-ins may use them."""
