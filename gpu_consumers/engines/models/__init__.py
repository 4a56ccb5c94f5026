"""Download of models: pinned, checked, converted; no downloaded code is ever run."""
