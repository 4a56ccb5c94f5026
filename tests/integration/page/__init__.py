"""The page at / in a real browser, over the REST shim on real parts."""
