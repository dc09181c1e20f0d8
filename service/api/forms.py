"""Like without JavaScript: `/v1/posts/{post}/form` shows a form. Submitting it likes, and redirects back."""

from flask import Flask, Response, make_response, redirect, render_template, request
from flask.views import MethodView

from service.api import assets
from service.api.http.metrics import count_like_request
from service.api.http.problems import headers_of, kind_of
from service.api.http.request_body import is_like
from service.api.http.request_context import like_states, request_identity
from service.auth.csrf import FIELD, CsrfTokens, return_address
from service.auth.origins import AllowedOrigins
from service.core.likes import Likes, ValidId, validate_id
from service.errors import LikewiseError

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def add_routes(app: Flask, likes: Likes, csrf_tokens: CsrfTokens, origins: AllowedOrigins) -> None:
    """Register the form's route and its style sheet."""
    app.add_url_rule("/v1/posts/<post:post>/form", view_func=FormView.as_view("form", likes, csrf_tokens, origins))
    app.add_url_rule("/pages.css", "pages_css", lambda: assets.static_file("pages.css", "text/css"))


def page(template: str, status: int = 200, **values: object) -> Response:
    """Return an HTML page that is not cached, cannot be framed, and runs no script but this service's own."""
    response = make_response(render_template(template, **values), status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


class FormView(MethodView):
    """The form of one post. Its users are people, so errors are also pages."""

    init_every_request = False

    def __init__(self, likes: Likes, csrf_tokens: CsrfTokens, origins: AllowedOrigins) -> None:
        self._likes = likes
        self._csrf_tokens = csrf_tokens
        self._origins = origins

    def get(self, post: str) -> Response:
        """Return a page with the post's heart. `?return=` is the address that a like redirects to."""
        try:
            return self._page(validate_id(post, "post"), self._return_address(request.args.get("return", "")))
        except LikewiseError as error:
            return _error_page(error)

    def post(self, post: str) -> Response:
        """Like or unlike (`csrf`, `action`, `return`), and answer 303 to the return address or the form."""
        try:
            post_id = validate_id(post, "post")
            address = self._return_address(request.form.get("return", ""))
            self._submit(post_id, request.form.get("action", "like"))
        except LikewiseError as error:
            return _error_page(error)
        return redirect(address or request.path, 303)  # type: ignore[return-value]

    def _submit(self, post: ValidId, action: str) -> None:
        likes, identity = is_like(action), request_identity()
        self._csrf_tokens.verify(identity, request.form.get(FIELD, ""))
        if likes:
            count_like_request(self._likes.like(post, identity.authorize_like()))
        elif actor := identity.authorize_unlike():
            count_like_request(self._likes.unlike(post, actor))

    def _page(self, post: ValidId, address: str) -> Response:
        state = like_states(self._likes, [post])[0]
        csrf = self._csrf_tokens.issue(request_identity())
        return page("form.html", state=state, csrf=csrf, back=address)

    def _return_address(self, wanted: str) -> str:
        return return_address(wanted, request.host, self._origins) if wanted else ""


def _error_page(error: LikewiseError) -> Response:
    kind = kind_of(error)
    if kind is None:
        raise error
    response = page("error.html", kind.status, title=kind.title, detail=str(error))
    response.headers.update(headers_of(error))
    return response
