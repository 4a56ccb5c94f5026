"""Recordings that clients send: in a form, in pieces by the tus protocol, or straight to the object store."""
