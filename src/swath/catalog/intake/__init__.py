"""Items on their way in: read from sources of any kind, checked, mended, made rows."""
