"""What a policy would have done: a trace in, replicas, violation seconds and pod-seconds out, beside other policies."""
