// The blog's like route: GET ?slug= and POST {slug, action: "like" | "unlike"} return {likes, liked}.
// It calls Likewise (LIKEWISE_URL) for the visitor, whose token stays in an HttpOnly cookie of the blog.
// Likewise must list this server in LIKEWISE_TRUSTED_PROXIES, because X-Forwarded-For has the visitor's address.
import { NextResponse, type NextRequest } from "next/server";

const LIKES = new URL("/api/likes", process.env.LIKEWISE_URL ?? "http://127.0.0.1:8080");
const COOKIE = "likewise_visitor";
// The longest time that browsers keep a cookie.
const COOKIE_AGE_S = 400 * 86_400;
// Timeout of both attempts together.
const TIMEOUT_MS = 3_000;
const SLUG = /^(?!\.{1,2}$)[A-Za-z0-9._:~-]{1,200}$/;
const NO_STORE = { "Cache-Control": "no-store" };
const UNAVAILABLE = "Likes are temporarily unavailable; try again.";

export async function GET(request: NextRequest) {
  const slug = request.nextUrl.searchParams.get("slug");
  if (!isSlug(slug)) return noSlug();
  return answer(request, `?${new URLSearchParams({ slug })}`);
}

export async function POST(request: NextRequest) {
  // Only JSON: a form on another site's page can send every other type without a preflight.
  if (!request.headers.get("content-type")?.startsWith("application/json")) return problem(415, "Send application/json.");
  const { slug, action } = await bodyOf(request);
  if (!isSlug(slug)) return noSlug();
  if (action !== "like" && action !== "unlike") return problem(400, "action is neither like nor unlike");
  return answer(request, "", JSON.stringify({ slug, action }));
}

/** Return Likewise's response in the format of this route. An error keeps the cookie, so that a retry counts for the same visitor. */
async function answer(request: NextRequest, query: string, body?: string) {
  try {
    const { response, visitor } = await ask(request, query, body);
    return keep(request, visitor, await toRouteResponse(response));
  } catch {
    // No connection, no response in time, or not JSON.
    return problem(503, UNAVAILABLE);
  }
}

async function toRouteResponse(response: Response) {
  if (response.status === 429) return problem(429, "Too many likes from here; try again later.", response);
  if (!response.ok) return problem(503, UNAVAILABLE, response);
  const { likes, liked } = await response.json();
  return NextResponse.json({ likes, liked }, { headers: NO_STORE });
}

/** Send the request as the visitor, once more without the token if it is no longer valid. Also return the current token. */
async function ask(request: NextRequest, query: string, body?: string) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const send = (visitor?: string) =>
    fetch(new URL(query, LIKES), {
      method: body ? "POST" : "GET",
      headers: headersFor(request, visitor),
      body,
      cache: "no-store",
      signal,
    });
  let visitor = request.cookies.get(COOKIE)?.value;
  let response = await send(visitor);
  if (response.status === 401 && visitor) {
    visitor = undefined;
    response = await send();
  }
  return { response, visitor: response.headers.get("Likewise-Visitor") ?? visitor };
}

function headersFor(request: NextRequest, visitor?: string) {
  const headers = new Headers({ "Content-Type": "application/json" });
  // The proxy in front of the blog sets this header, and Next.js passes it on.
  const from = request.headers.get("x-forwarded-for");
  if (from) headers.set("X-Forwarded-For", from);
  if (visitor) headers.set("Likewise-Visitor", visitor);
  return headers;
}

/** Store the visitor's token in the cookie: set a new one after a first like, delete one that is no longer valid. */
function keep(request: NextRequest, visitor: string | undefined, response: NextResponse) {
  const before = request.cookies.get(COOKIE)?.value;
  const secure = request.nextUrl.protocol === "https:";
  if (!visitor && before) response.cookies.delete(COOKIE);
  if (visitor && visitor !== before) {
    response.cookies.set(COOKIE, visitor, { httpOnly: true, sameSite: "lax", secure, maxAge: COOKIE_AGE_S });
  }
  return response;
}

async function bodyOf(request: NextRequest): Promise<{ slug?: unknown; action?: unknown }> {
  const body: unknown = await request.json().catch(() => null);
  return typeof body === "object" && body !== null ? body : {};
}

function isSlug(slug: unknown): slug is string {
  return typeof slug === "string" && SLUG.test(slug);
}

function noSlug() {
  return problem(400, "slug is not 1 to 200 of A-Z a-z 0-9 . _ : ~ -");
}

function problem(status: number, error: string, response?: Response) {
  const retry = response?.headers.get("Retry-After");
  return NextResponse.json({ error }, { status, headers: { ...NO_STORE, ...(retry && { "Retry-After": retry }) } });
}
