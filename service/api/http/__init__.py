"""What every resource stands on: routing, request identity, answers, problems, and what is recorded of a request."""
