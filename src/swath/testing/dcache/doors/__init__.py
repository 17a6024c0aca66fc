"""What answers over HTTP: the WebDAV door, the REST frontend and the pool."""
