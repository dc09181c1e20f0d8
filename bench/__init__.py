"""Measure what a like costs beside its peers, in CPU time of every process and in bytes (`make bench`)."""
