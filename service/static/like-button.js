/**
 * <like-button post="hello-world" src="https://likes.example"></like-button>
 *
 * docs/reference/button.md describes its attributes, events and properties.
 * This file has four parts: storage, a service, a like, and the element.
 */
const TEXTS = {
  // The label does not change with the state, which is in aria-pressed, unless `label-liked` is given.
  "label-like": "Like",
  "text-liked": "Liked",
  "text-unliked": "Like taken back",
  "text-refused": "That was not accepted.",
  "text-limited": "Too many likes at once. Please try again in a moment.",
  "text-unavailable": "Not saved, as the server does not answer. Please try again later.",
};
// The API answers this many posts in one response.
const MAX_POSTS = 100;
const MAX_RECORDS = 300;
const DAY_MS = 86_400_000;
const TIMEOUT_MS = 8_000;
const TOAST_MS = 6_000;
const RETRY_MS = [400, 1_000, 2_000];
const LONGEST_RETRY_MS = 5_000;
// Another tab has this long to send a like that was made there.
const OTHER_TAB_MS = 10_000;
// Until then, another tab may not see what was stored.
const STORED_MS = 150;
const LIVE_MS = 700;
const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 15_000;
// Reads that are due this close to each other become one request.
const BATCH_MS = 300;
const VISITOR = "Likewise-Visitor";

/** localStorage, or the page's own memory if that is forbidden or full. */
const storage = {
  own: new Map(),
  get(key) {
    try {
      return this.own.get(key) ?? localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  /** Store a text. null removes it. */
  set(key, text) {
    this.own.delete(key);
    try {
      text === null ? localStorage.removeItem(key) : localStorage.setItem(key, text);
    } catch {
      this.own.set(key, text);
    }
  },
  record(key) {
    try {
      return JSON.parse(this.get(key)) ?? null;
    } catch {
      return null;
    }
  },
  /** Return the keys of records: of all sites and actors, or of one. */
  keys(prefix = "likewise|") {
    try {
      return Object.keys(localStorage).filter((key) => key.startsWith(prefix) && key.split("|").length > 3);
    } catch {
      return [];
    }
  },
  prune() {
    // "~" sorts after every date, so unsent likes are removed last.
    const age = ({ wish, as_of }) => (wish ? `~${wish.at}` : as_of);
    const aged = this.keys().map((key) => [age(this.record(key) ?? {}), key]);
    for (const [, key] of aged.sort().slice(0, -MAX_RECORDS)) this.set(key, null);
  },
};

/** One service, as one actor uses it: credentials, batched reads, and the likes of its posts. */
class Site {
  static all = new Map();
  likes = new Map();
  #key;
  #token;
  #isForeign;
  #unread = new Set();
  #timer;
  #queue = Promise.resolve();
  #warned = false;

  static of(src, token) {
    const who = token ? encodeURIComponent(subject(token)) : "";
    const prefix = `likewise|${src}|${who}|`;
    if (!Site.all.has(prefix)) Site.all.set(prefix, new Site(src, prefix));
    const site = Site.all.get(prefix);
    // The last token may have expired, so likes are read again with the new one.
    if (site.#token !== token) for (const like of site.likes.values()) like.isRead = false;
    site.#token = token;
    return site;
  }

  constructor(src, prefix) {
    this.src = src;
    this.prefix = prefix;
    this.#key = `likewise|${src}`;
    this.#isForeign = new URL(src).origin !== location.origin;
    queueMicrotask(() => this.#resume());
  }

  /** Whether the actor has an identity at the service. Only then does it have likes, and requests may run in parallel. */
  get #isKnown() {
    return Boolean(this.#token || storage.get(this.#key));
  }

  like(post) {
    if (!this.likes.has(post)) this.likes.set(post, new Like(this, post));
    return this.likes.get(post);
  }

  /** Send a like or an unlike. The first one creates the visitor, so until then they run in turn, across all tabs. */
  async submit(method, post) {
    const path = `/v1/posts/${post.split("/").map(encodeURIComponent).join("/")}/like`;
    const send = () => this.#fetch(method, path, true);
    const inTurn = (done) =>
      this.#exclusive(async () => {
        if (this.#isKnown) return done();
        done(await send());
        await pause(STORED_MS);
      });
    return this.#withVisitor(async () => (!this.#isKnown && (await new Promise(inTurn))) || send());
  }

  /** Read a like again, together with all others of this microtask. */
  read(like) {
    if (!this.#unread.size) queueMicrotask(() => this.#readAll());
    this.#unread.add(like);
  }

  /** Set the timer for the next read of the buttons on screen. */
  plan() {
    clearTimeout(this.#timer);
    const due = Math.min(...[...this.likes.values()].filter((like) => like.isAwaited).map((like) => like.due));
    if (document.hidden || !navigator.onLine || due === Infinity) return;
    this.#timer = setTimeout(() => this.refresh(performance.now() + BATCH_MS), Math.max(0, due - performance.now()));
  }

  /** Read the likes on screen that are due by then. By default, read all of them. */
  refresh(until = Infinity) {
    for (const like of this.likes.values()) if (like.isAwaited && like.due <= until) this.read(like);
  }

  /** Send what an earlier page or a lost network left unsent. */
  #resume() {
    for (const key of storage.keys(this.prefix)) {
      if (storage.record(key)?.wish) this.like(key.slice(this.prefix.length)).send();
    }
  }

  #readAll() {
    const unread = [...this.#unread];
    this.#unread.clear();
    // The same posts have the same URL, so that caches can answer.
    unread.sort((a, b) => (a.post < b.post ? -1 : 1));
    for (const isOwn of [true, false]) {
      const group = unread.filter((like) => isOwn === (this.#isKnown && !like.isRead));
      while (group.length) this.#readBatch(group.splice(0, MAX_POSTS), isOwn);
    }
  }

  async #readBatch(likes, isOwn) {
    const began = performance.now();
    for (const like of likes) like.isReading = true;
    const query = likes.map((like) => "post=" + encodeURIComponent(like.post)).join("&");
    const counts = () => this.#fetch("GET", `/v1/counts?${query}`, false);
    let answer = await (isOwn ? this.#withVisitor(() => this.#fetch("GET", `/v1/likes?${query}`, true)) : counts());
    // The user's token has expired.
    if (answer.status === 401) answer = await counts();
    const found = new Map((answer.body?.likes ?? answer.body?.counts)?.map((each) => [each.post, each]));
    for (const like of likes) like.onRead(found.get(like.post), began);
    this.plan();
  }

  /** Send a request. If the service refuses the visitor's token, drop it and try once more. */
  async #withVisitor(send) {
    const sent = storage.get(this.#key);
    const answer = await send();
    if (answer.status !== 401 || this.#token) return answer;
    // If it has changed, another response has brought a new one.
    if (storage.get(this.#key) === sent) storage.set(this.#key, null);
    return send();
  }

  #exclusive(job) {
    const inThisTab = () => (this.#queue = this.#queue.then(job));
    // Without storage there are no locks.
    return navigator.locks?.request(this.#key, job).catch(inThisTab) ?? inThisTab();
  }

  /** Return a response as {status, body, wait in ms}. The status is 0 if there is none. */
  async #fetch(method, path, isOwn) {
    const request = { method, cache: "no-cache", keepalive: method !== "GET", signal: AbortSignal.timeout(TIMEOUT_MS) };
    try {
      const response = await fetch(this.src + path, { ...request, ...(isOwn ? this.#credentials(method) : { credentials: "omit" }) });
      const body = await response.json().catch((reason) => {
        // A truncated response is like none.
        if (response.ok) throw reason;
      });
      this.#storeVisitor(response.headers.get(VISITOR), method === "PUT" && response.ok);
      return { status: response.status, body, wait: 1_000 * response.headers.get("Retry-After") || 0 };
    } catch {
      this.#warn();
      return { status: 0, wait: 0 };
    }
  }

  /** Return credentials: a user's JWT, on the own site the visitor's cookie, on other sites the stored token. */
  #credentials(method) {
    if (this.#token) return { credentials: "omit", headers: { Authorization: `Bearer ${this.#token}` } };
    const visitor = storage.get(this.#key);
    const headers = {};
    if (visitor && this.#isForeign) headers[VISITOR] = visitor;
    else if (!visitor && method === "PUT") headers["Idempotency-Key"] = this.#nonce();
    return { credentials: this.#isForeign ? "omit" : "same-origin", headers };
  }

  /** Return the same nonce for each attempt of a first like, so that a lost response creates no second visitor. */
  #nonce() {
    const key = this.#key + "|first";
    if (!storage.get(key)) storage.set(key, crypto.getRandomValues(new BigUint64Array(2)).join("-"));
    return storage.get(key);
  }

  #storeVisitor(visitor, isKnown) {
    if (this.#token || !(this.#isForeign ? visitor : isKnown)) return;
    storage.set(this.#key, this.#isForeign ? visitor : "cookie");
    storage.set(this.#key + "|first", null);
  }

  #warn() {
    if (this.#warned || !this.#isForeign || !navigator.onLine) return;
    this.#warned = true;
    console.warn(`like-button: no answer from ${this.src}. Is it up, and does its LIKEWISE_SITES list ${location.origin}?`);
  }
}

/** One actor's like of a post, shared by its buttons: the last known state, and a like or unlike that is pending. */
class Like {
  views = new Set();
  isRead = false;
  isReading = false;
  due = 0;
  #state = { liked: false, count: null, as_of: "" };
  #pending = null;
  #tapped = null;
  #isSending = false;
  #pause = FIRST_PAUSE_MS;

  constructor(site, post) {
    this.site = site;
    this.post = post;
    this.key = site.prefix + post;
    // Stored records keep the name `wish`.
    const { wish, ...state } = storage.record(this.key) ?? {};
    Object.assign(this.#state, state);
    if (wish && Date.now() - wish.at < DAY_MS) this.#pending = wish;
    else if (wish) this.#save();
  }

  get liked() {
    return (this.#pending ?? this.#state).liked;
  }

  get count() {
    const { count, liked } = this.#state;
    return count === null ? null : Math.max(0, count + this.liked - liked);
  }

  /** Whether a button is on screen and no read is under way. */
  get isAwaited() {
    return !this.isReading && [...this.views].some((view) => onScreen.has(view.element));
  }

  /** Use the state that the page was rendered with, until the first response. Stored likes take precedence. */
  seed(count, liked) {
    if (this.isRead) return;
    if (count >= 0) this.#state.count = count;
    if (!this.#state.as_of) this.#state.liked = liked;
    this.#render();
  }

  toggle(view) {
    this.#pending = { liked: !this.liked, at: Math.max(Date.now(), (this.#pending?.at ?? 0) + 1) };
    this.#tapped = view;
    this.#save();
    this.#render();
    this.send();
  }

  /** Send the pending like until it is answered: one request at a time, and always the last tap. */
  async send() {
    if (this.#isSending) return;
    this.#isSending = true;
    for (let failed = 0; this.#pending && navigator.onLine; ) {
      const { liked } = this.#pending;
      const answer = await this.site.submit(liked ? "PUT" : "DELETE", this.post);
      if (answer.status >= 200 && answer.status < 300) {
        this.#acknowledge(answer.body, liked);
        failed = 0;
      } else if (answer.status >= 400 && answer.status < 500) this.#giveUp("refused", answer);
      else if (failed < RETRY_MS.length) await pause(RETRY_MS[failed++], answer.wait);
      else if (navigator.onLine) this.#giveUp("unavailable", answer);
    }
    this.#isSending = false;
  }

  onRead(answer, began) {
    const before = this.#state.count;
    this.isReading = false;
    if (answer) {
      this.isRead = true;
      // A count without the actor's state may or may not include the pending like.
      if (answer.liked !== undefined || !this.#pending) this.#take(answer);
    }
    const isNews = this.#state.count !== before;
    this.#pause = isNews ? FIRST_PAUSE_MS : Math.min(this.#pause * 1.5, LAST_PAUSE_MS);
    const isLive = answer && [...this.views].some((view) => view.element.hasAttribute("live"));
    this.due = began + (isLive ? LIVE_MS : this.#pause);
  }

  /** Take over what another tab stored. null if it has taken its first like back. */
  onStored(record) {
    const { wish, ...state } = record ?? {};
    if (wish && !(this.#pending?.at >= wish.at)) {
      this.#pending = wish;
      // The other tab may be closed by then.
      setTimeout(() => this.send(), OTHER_TAB_MS);
      // While this tab is sending, its own response is still to come.
    } else if (!wish && !this.#isSending) this.#pending = null;
    if (state.as_of > this.#state.as_of) this.#state = state;
    this.#render();
  }

  #acknowledge(answer, liked) {
    if (this.#pending?.liked === liked) this.#pending = null;
    this.#pause = FIRST_PAUSE_MS;
    this.due = performance.now() + FIRST_PAUSE_MS;
    this.#take(answer, true);
    this.#dispatch(liked ? "like" : "unlike", { liked, count: this.count }, true);
    this.site.plan();
  }

  #giveUp(reason, { status, body }) {
    this.#pending = null;
    this.#save();
    this.#render();
    this.#view?.toast(status === 429 ? "limited" : reason);
    // It does not bubble, or it would reach window.onerror.
    this.#dispatch("error", { status, problem: body ?? null, reason }, false);
  }

  #dispatch(type, about, bubbles) {
    const detail = { post: this.post, ...about };
    this.#view?.element.dispatchEvent(new CustomEvent(type, { bubbles, composed: bubbles, detail }));
  }

  /** Take over a response, unless a later one is known. */
  #take({ liked = this.#state.liked, count, as_of }, isOwn = false) {
    const isNews = as_of >= this.#state.as_of;
    const isKept = isOwn || (isNews && liked !== this.#state.liked);
    if (isNews) this.#state = { liked, count, as_of };
    if (isKept) this.#save();
    if (isNews || isOwn) this.#render();
  }

  get #view() {
    return this.views.has(this.#tapped) ? this.#tapped : [...this.views][0];
  }

  #save() {
    const wish = this.#pending ?? undefined;
    storage.set(this.key, wish || this.#state.as_of ? JSON.stringify({ ...this.#state, wish }) : null);
    storage.prune();
  }

  #render() {
    for (const view of this.views) view.render();
  }
}

const pause = (own, asked = 0) =>
  new Promise((done) => setTimeout(done, Math.min(LONGEST_RETRY_MS, Math.max(own * (1 + Math.random() / 2), asked))));

/** Return the subject of a JWT. The server verifies it; here it only separates the users of one browser. */
function subject(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub ?? "?";
  } catch {
    return "?";
  }
}

/** Format 2199 as "2.1K". It is cut off, never rounded up. */
function compact(count, lang) {
  try {
    return new Intl.NumberFormat(lang || undefined, { notation: "compact", roundingMode: "trunc" }).format(count);
  } catch {
    // `lang` is not a language.
    return compact(count);
  }
}

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { display: inline-flex; vertical-align: middle }
:host([hidden]), [hidden] { display: none !important }
button {
  appearance: none; box-sizing: border-box; display: inline-flex; flex: 1; align-items: center; justify-content: center;
  gap: .4em; min-width: max(44px, var(--likewise-width, 5.5em)); min-height: var(--likewise-size, 44px);
  margin: 0; padding: 0 .75em; border: 1px solid var(--likewise-border, color-mix(in srgb, currentColor 30%, transparent));
  border-radius: var(--likewise-radius, 999px); background: var(--likewise-background, none);
  color: inherit; font: inherit; line-height: 1; cursor: pointer; touch-action: manipulation; user-select: none;
  -webkit-tap-highlight-color: transparent;
}
button:hover { border-color: color-mix(in srgb, currentColor 60%, transparent) }
button:focus-visible { outline: 2px solid var(--likewise-focus, currentColor); outline-offset: 2px }
button:disabled { opacity: .5; cursor: not-allowed }
svg {
  flex: none; width: var(--likewise-heart-size, 1.25em); height: var(--likewise-heart-size, 1.25em);
  fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; overflow: visible;
}
[aria-pressed=true] svg { fill: var(--likewise-color, #e0245e); stroke: var(--likewise-color, #e0245e) }
.count {
  min-width: var(--likewise-count-width, 3ch); font-variant-numeric: tabular-nums; text-align: start; white-space: nowrap;
}
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.toast {
  position: fixed; inset: auto 0 1.5rem; z-index: 2147483647; box-sizing: border-box; width: fit-content;
  max-width: min(32rem, 100vw - 2rem); margin: 0 auto; padding: .75em 1.25em;
  border: 1px solid transparent; border-radius: .5em;
  background: var(--likewise-toast-background, CanvasText); color: var(--likewise-toast-color, Canvas);
  font: inherit; font-size: 1rem; line-height: 1.4; text-align: start; box-shadow: 0 .25rem 1rem #0004;
}
@media (forced-colors: active) { [aria-pressed=true] svg { fill: Highlight; stroke: Highlight } }
`);

/** Make an element. A strict content security policy forbids markup and inline styles. */
function make(name, attributes, ...children) {
  const element = document.createElementNS(`http://www.w3.org/${/svg|path/.test(name) ? "2000/svg" : "1999/xhtml"}`, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function move(element, frames, duration) {
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) element.animate(frames, duration);
}

const onScreen = new WeakSet();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) isIntersecting ? onScreen.add(target) : onScreen.delete(target);
  for (const site of Site.all.values()) site.plan();
});

const HEART =
  "M12 20.5C5 15.6 2 12 2 8.4 2 5.4 4.3 3 7.2 3 9.1 3 11 4 12 5.7" +
  " 13 4 14.9 3 16.8 3 19.7 3 22 5.4 22 8.4c0 3.6-3 7.2-10 12.1z";

export class LikeButton extends HTMLElement {
  static observedAttributes = ["post", "src", "token", "count", "liked", "live", "label-liked", ...Object.keys(TEXTS)];
  #label = make("span", { class: "unseen" });
  #count = make("span", { class: "count", part: "count" });
  #heart = make("svg", { part: "heart", viewBox: "0 0 24 24", "aria-hidden": "true" }, make("path", { d: HEART }));
  #button = make("button", { type: "button", part: "button" }, this.#heart, this.#label, " ", this.#count);
  #status = make("span", { class: "unseen", role: "status" });
  #toast = make("div", { class: "toast", part: "toast", role: "alert", popover: "manual", hidden: "" });
  #view = { element: this, render: () => this.#render(), toast: (reason) => this.#showToast(reason) };
  #like = null;
  // Whether the attributes `count` and `liked` belong to this post.
  #isRendered = true;
  #isBinding = false;
  #timer;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    root.adoptedStyleSheets = [sheet];
    root.append(this.#button, this.#status, this.#toast);
    this.#button.addEventListener("click", () => this.#tap());
  }

  connectedCallback() {
    watcher.observe(this);
    this.#bindSoon();
  }

  disconnectedCallback() {
    watcher.unobserve(this);
    onScreen.delete(this);
    this.#hideToast();
    this.#bindSoon();
  }

  attributeChangedCallback(name) {
    if (name === "count" || name === "liked") this.#isRendered = true;
    this.#bindSoon();
  }

  /** Attributes change one by one, so they are read once all are there. */
  #bindSoon() {
    if (this.#isBinding) return;
    this.#isBinding = true;
    queueMicrotask(() => {
      this.#isBinding = false;
      this.#bind();
    });
  }

  #bind() {
    const like = this.isConnected ? this.#wanted() : null;
    const isNew = like !== this.#like;
    if (isNew) this.#like?.views.delete(this.#view);
    this.#like = like;
    like?.views.add(this.#view);
    if (like && this.#isRendered) like.seed(parseInt(this.getAttribute("count")), this.hasAttribute("liked"));
    if (like) this.#isRendered = false;
    if (like && isNew) like.site.read(like);
    this.#render();
  }

  #wanted() {
    const post = this.getAttribute("post");
    this.#button.disabled = !post;
    if (!post) return console.error("like-button: the attribute `post` is missing.", this), null;
    const src = new URL(this.getAttribute("src") || new URL(import.meta.url).origin, document.baseURI);
    return Site.of(src.href.replace(/\/+$/, ""), this.getAttribute("token")).like(post);
  }

  #tap() {
    if (!this.#like) return;
    this.#hideToast();
    this.#like.toggle(this.#view);
    this.#status.textContent = this.#text(this.#like.liked ? "text-liked" : "text-unliked");
    if (this.#like.liked) move(this.#heart, { transform: ["scale(.7)", "scale(1.25)", "none"] }, 300);
  }

  #render() {
    const { liked = this.hasAttribute("liked"), count = null } = this.#like ?? {};
    const lang = (this.closest("[lang]") ?? document.documentElement).lang;
    this.#button.setAttribute("aria-pressed", liked);
    this.#button.part.toggle("liked", liked);
    this.#label.textContent = (liked && this.getAttribute("label-liked")) || this.#text("label-like");
    this.#count.textContent = count === null ? "" : compact(count, lang);
  }

  #text(name) {
    return this.getAttribute(name) ?? TEXTS[name];
  }

  #showToast(reason) {
    this.#hideToast();
    this.#status.textContent = "";
    this.#toast.hidden = false;
    this.#toast.showPopover?.();
    // Once the element is shown, or screen readers do not read it.
    this.#toast.textContent = this.#text(`text-${reason}`);
    move(this.#toast, { opacity: [0, 1], transform: ["translateY(1rem)", "none"] }, 200);
    this.#timer = setTimeout(() => this.#hideToast(), TOAST_MS);
  }

  #hideToast() {
    clearTimeout(this.#timer);
    if (this.#toast.hidden) return;
    if (this.isConnected) this.#toast.hidePopover?.();
    this.#toast.hidden = true;
    this.#toast.textContent = "";
  }
}

addEventListener("storage", ({ key, newValue }) => {
  for (const { prefix, likes } of Site.all.values()) {
    const like = key?.startsWith(prefix) && likes.get(key.slice(prefix.length));
    if (like) like.onStored(newValue && storage.record(key));
  }
});
addEventListener("online", () => {
  for (const site of Site.all.values()) {
    for (const like of site.likes.values()) like.send();
    site.refresh();
  }
});
document.addEventListener("visibilitychange", () => {
  for (const site of Site.all.values()) document.hidden ? site.plan() : site.refresh();
});
if (!customElements.get("like-button")) customElements.define("like-button", LikeButton);
