"""One module per Faust agent; each decodes, decides, writes one transaction and acks."""
