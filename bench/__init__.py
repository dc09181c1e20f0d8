"""`make bench`: what a like costs beside what others would have built, in CPU time of every process and in bytes."""
