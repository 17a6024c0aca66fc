"""Searches: what is asked, made SQL, and answered page by page."""
