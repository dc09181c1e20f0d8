"""What Likewise does, without HTTP and without drivers."""
