"""The foundation of every resource: routing, request identity, responses, problems, metrics and logs."""
