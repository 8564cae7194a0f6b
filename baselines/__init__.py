"""Every other system: one file per method, and its parameter block in `configs`."""
