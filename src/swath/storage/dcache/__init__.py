"""dCache: WebDAV with macaroons, and a REST API that knows of tape."""
