"""What dCache adds to WebDAV."""
