"""Uploads that come in pieces, by the tus protocol, or go straight to the object store; a job is made of them later."""
