"""The autoscaler: sees a viral post first, raises the pods within seconds, hands them back slowly."""
