// Like, unlike and read counts with fetch alone, in Node 20 or in a page. The stored token identifies the visitor.
// Run: LIKEWISE_URL=http://127.0.0.1:8080 node examples/fetch.js hello-world
// In a page: likewise(URL, localStorage). LIKEWISE_SITES must list the page's origin.

const KEY = "likewise-visitor";
const TIMEOUT_MS = 5_000;

/** A visitor of a Likewise service. `store` keeps the token, as localStorage does. */
export function likewise(url, store = memory()) {
  const own = inTurn((method, post) => ask(new URL(`/v1/posts/${encodeURIComponent(post)}/like`, url), method, store));
  return {
    like: (post) => own("PUT", post),
    unlike: (post) => own("DELETE", post),
    read: (post) => own("GET", post),
    counts: (posts) => readCounts(url, posts),
  };
}

/** Send a request as the visitor. If the token is no longer valid, drop it and try once more without. */
async function ask(address, method, store) {
  const visitor = store.getItem(KEY);
  const headers = visitor ? { "Likewise-Visitor": visitor } : {};
  const answer = await fetch(address, { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (answer.status === 401 && visitor) {
    store.removeItem(KEY);
    return ask(address, method, store);
  }
  // An error may also carry a token, so that a retry counts for the same visitor.
  const minted = answer.headers.get("Likewise-Visitor");
  if (minted) store.setItem(KEY, minted);
  return bodyOf(answer);
}

/** Return the counts of up to 100 posts, by post. The request has no identity, so that caches may answer. */
async function readCounts(url, posts) {
  const query = new URLSearchParams(posts.map((post) => ["post", post]));
  const answer = await fetch(new URL(`/v1/counts?${query}`, url), { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const { counts } = await bodyOf(answer);
  return Object.fromEntries(counts.map(({ post, count }) => [post, count]));
}

async function bodyOf(answer) {
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${answer.status}: ${body.detail}`);
  return body;
}

/** Run one call after the other. Two first likes at once would create two visitors, and the last click must win. */
function inTurn(call) {
  let before = Promise.resolve();
  return (...args) => {
    const mine = before.then(() => call(...args));
    before = mine.catch(() => {});
    return mine;
  };
}

function memory() {
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
}

if (globalThis.process?.argv[1] && process.argv[1] === import.meta.filename) {
  const post = process.argv[2] ?? "hello-world";
  const reader = likewise(process.env.LIKEWISE_URL ?? "http://127.0.0.1:8080");
  console.log("liked:", (await reader.like(post)).count);
  console.log("liked again:", (await reader.like(post)).count);
  console.log("counts:", JSON.stringify(await reader.counts([post, "another-post"])));
  console.log("taken back:", (await reader.unlike(post)).count);
}
