"""The dashboard under load: a large store, page changes in a browser, many viewers."""
