"""Pages for browsers: the page at /, its login, and the interface at /docs and /redoc."""
