"""What commands print, and how they are interrupted."""
