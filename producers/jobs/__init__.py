"""Operations on jobs and webhooks, shared by the REST shim and the command line."""
