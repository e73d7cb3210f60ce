"""One file a page: read the URL, query, draw."""
