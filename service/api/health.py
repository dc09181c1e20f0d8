"""Health checks: `/livez` and `/readyz`, for Kubernetes and load balancers."""

from flask import Response, jsonify
from flask.views import MethodView

from service.api.http.problems import TABLE, problem
from service.core.readiness import Readiness
from service.errors import UnavailableError


def livez() -> Response:
    """Answer 200 while the process runs. A failing dependency is no reason to restart it."""
    return _uncached(jsonify(status="ok"))


class ReadyView(MethodView):
    """Tells whether the pod may receive requests, and which part fails."""

    init_every_request = False

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def get(self) -> Response:
        """Answer 200 with the failing parts while likes are accepted, else 503 with the part that prevents it."""
        state = self._readiness.state()
        if state.ready:
            return _uncached(jsonify(status=state.name, failing=state.failing, parts=state.parts))
        members = {"state": state.name, "part": state.part, "failing": state.failing, "parts": state.parts}
        return problem(TABLE[UnavailableError], state.detail, {"Retry-After": "1"}, **members)


def _uncached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
