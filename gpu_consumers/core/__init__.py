"""The pure part of the GPU consumers: offsets, admission, the merge of words and turns; no I/O, no clock."""
