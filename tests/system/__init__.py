"""The whole service from request to webhook: kill, cancel, replay, bad input, held-out speech, the README itself."""
