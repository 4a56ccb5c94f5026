"""The GPU consumers module by module; the engines are the real ones on stand-in models."""
