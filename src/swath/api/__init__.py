"""The Python face of swath; with the command line the only place that reads settings and wires the rooms.

Everything here is also a name of the package itself: ``import swath; swath.load(...)``.
"""
