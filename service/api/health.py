"""`/livez` and `/readyz`: for whoever starts, stops and routes to pods."""

from flask import Response, jsonify
from flask.views import MethodView

from service.api.http.problems import TABLE, problem
from service.core.readiness import Readiness
from service.errors import UnavailableError


def livez() -> Response:
    """The process answers; a part that fails is no reason to start it again."""
    return _unstored(jsonify(status="ok"))


class ReadyView(MethodView):
    """Whether the pod may be sent requests, and which part fails."""

    init_every_request = False

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def get(self) -> Response:
        """200 while likes can be taken, with what fails; else 503, with the part that is to blame."""
        state = self._readiness.state()
        if state.ready:
            return _unstored(jsonify(status=state.name, failing=state.failing, parts=state.parts))
        said = {"state": state.name, "part": state.part, "failing": state.failing, "parts": state.parts}
        return problem(TABLE[UnavailableError], state.detail, {"Retry-After": "1"}, **said)


def _unstored(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
