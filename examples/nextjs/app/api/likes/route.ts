// The blog's like route: GET ?slug= and POST {slug, action: "like" | "unlike"} return {likes, liked}.
// It calls Likewise (LIKEWISE_URL) for the visitor, whose token stays in an HttpOnly cookie of the blog.
// Likewise must list this server in LIKEWISE_TRUSTED_PROXIES, because X-Forwarded-For has the visitor's address.
import { NextResponse, type NextRequest } from "next/server";

const LIKES = new URL("/api/likes", process.env.LIKEWISE_URL ?? "http://127.0.0.1:8080");
const COOKIE = "likewise_visitor";
// The longest time that browsers keep a cookie.
const COOKIE_AGE_S = 400 * 86_400;
// For both attempts together.
const TIMEOUT_MS = 3_000;
const SLUG = /^(?!\.{1,2}$)[A-Za-z0-9._:~-]{1,200}$/;
const NO_STORE = { "Cache-Control": "no-store" };
const AWAY = "Likes are away for a moment; try again.";

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

/** Likewise's answer in this route's shape. The cookie is kept with an error too: who tries again is the same reader. */
async function answer(request: NextRequest, query: string, body?: string) {
  try {
    const { said, visitor } = await ask(request, query, body);
    return keep(request, visitor, await shaped(said));
  } catch {
    // No connection, no response in time, or not JSON.
    return problem(503, AWAY);
  }
}

async function shaped(said: Response) {
  if (said.status === 429) return problem(429, "Too many likes from here; try again later.", said);
  if (!said.ok) return problem(503, AWAY, said);
  const { likes, liked } = await said.json();
  return NextResponse.json({ likes, liked }, { headers: NO_STORE });
}

/** Ask as the reader, and once more as nobody where the token is no longer known. Says who the reader is now. */
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
  let said = await send(visitor);
  if (said.status === 401 && visitor) {
    visitor = undefined;
    said = await send();
  }
  return { said, visitor: said.headers.get("Likewise-Visitor") ?? visitor };
}

function headersFor(request: NextRequest, visitor?: string) {
  const headers = new Headers({ "Content-Type": "application/json" });
  // The proxy in front sets it. Next.js passes it on.
  const from = request.headers.get("x-forwarded-for");
  if (from) headers.set("X-Forwarded-For", from);
  if (visitor) headers.set("Likewise-Visitor", visitor);
  return headers;
}

/** The cookie follows who the reader is: a first like gives a token, one that is no longer known goes. */
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

function problem(status: number, error: string, said?: Response) {
  const retry = said?.headers.get("Retry-After");
  return NextResponse.json({ error }, { status, headers: { ...NO_STORE, ...(retry && { "Retry-After": retry }) } });
}
