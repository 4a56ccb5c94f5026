"""Everything that runs the service: the local stack, images, manifests; not part of the installed packages."""
