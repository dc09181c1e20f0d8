"""`/v1/posts/{post}/form`: a like without JavaScript. The page shows a form; sending it likes, and leads back."""

from flask import Flask, Response, make_response, redirect, render_template, request
from flask.views import MethodView

from service.api import assets
from service.api.http.metrics import count_like_request
from service.api.http.problems import headers_of, kind_of
from service.api.http.request_body import is_like
from service.api.http.request_context import viewers_states, visit
from service.auth.csrf import FIELD, Forms, return_address
from service.auth.origins import Sites
from service.core.likes import Likes, valid_id
from service.errors import LikewiseError

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def add_routes(app: Flask, likes: Likes, forms: Forms, sites: Sites) -> None:
    """Give the app the form's route and its style sheet."""
    app.add_url_rule("/v1/posts/<post:post>/form", view_func=FormView.as_view("form", likes, forms, sites))
    app.add_url_rule("/pages.css", "pages_css", lambda: assets.of_file("pages.css", "text/css"))


def page(template: str, status: int = 200, **values: object) -> Response:
    """A page of ours: kept by nobody, framed by nobody, and with no script but ours."""
    response = make_response(render_template(template, **values), status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


class FormView(MethodView):
    """The form of one post. It is for people: errors are pages too."""

    init_every_request = False

    def __init__(self, likes: Likes, forms: Forms, sites: Sites) -> None:
        self._likes = likes
        self._forms = forms
        self._sites = sites

    def get(self, post: str) -> Response:
        """The post's heart in a page; `?return=` is where a like leads back to."""
        try:
            return self._page(valid_id(post, "post"), self._return_to(request.args.get("return", "")))
        except LikewiseError as error:
            return _refused(error)

    def post(self, post: str) -> Response:
        """`csrf`, `action` (like or unlike), `return`: then 303 to there, or to the form."""
        try:
            valid_id(post, "post")
            back = self._return_to(request.form.get("return", ""))
            self._submit(post, request.form.get("action", "like"))
        except LikewiseError as error:
            return _refused(error)
        return redirect(back or request.path, 303)  # type: ignore[return-value]

    def _submit(self, post: str, action: str) -> None:
        likes = is_like(action)
        self._forms.check(visit(), request.form.get(FIELD, ""))
        if likes:
            count_like_request(self._likes.like(post, visit().liking()))
        elif actor := visit().unliking():
            count_like_request(self._likes.unlike(post, actor))

    def _page(self, post: str, back: str) -> Response:
        state = viewers_states(self._likes, [post])[0]
        return page("form.html", state=state, csrf=self._forms.token(visit()), back=back)

    def _return_to(self, wanted: str) -> str:
        return return_address(wanted, request.host, self._sites) if wanted else ""


def _refused(error: LikewiseError) -> Response:
    kind = kind_of(error)
    if kind is None:
        raise error
    response = page("refused.html", kind.status, title=kind.title, detail=str(error))
    response.headers.update(headers_of(error))
    return response
