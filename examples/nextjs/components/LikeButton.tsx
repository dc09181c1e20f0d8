"use client";

// A like button for one post. It shows the click at once, and reverts it if the blog's route refuses it.
// Use: <LikeButton slug="hello-world" />
import { startTransition, useActionState, useEffect, useOptimistic } from "react";

type Wish = "like" | "unlike" | "read";
// `likes` is null until the first response.
type Shown = { likes: number | null; liked: boolean; error: string };

export function LikeButton({ slug }: { slug: string }) {
  // An action state runs its actions one after the other, so quick clicks arrive in order.
  const [said, send] = useActionState((before: Shown, wish: Wish) => ask(slug, wish, before), UNKNOWN);
  const [shown, show] = useOptimistic(said, wished);

  useEffect(() => startTransition(() => send("read")), [slug, send]);

  function toggle() {
    const wish = shown.liked ? "unlike" : "like";
    startTransition(() => {
      show(wish);
      send(wish);
    });
  }

  return (
    <>
      <button type="button" aria-pressed={shown.liked} onClick={toggle}>
        <span aria-hidden="true">{shown.liked ? "♥" : "♡"}</span> Like {shown.likes ?? "–"}
      </button>
      <span role="status">{shown.error}</span>
    </>
  );
}

const UNKNOWN: Shown = { likes: null, liked: false, error: "" };

/** What to show before the answer is there. */
function wished(before: Shown, wish: Wish): Shown {
  const liked = wish === "like";
  const change = Number(liked) - Number(before.liked);
  return { likes: before.likes === null ? null : before.likes + change, liked, error: "" };
}

/** The route's answer; `before` where it refused, which takes back what was shown. */
async function ask(slug: string, wish: Wish, before: Shown): Promise<Shown> {
  try {
    const answer = await (wish === "read" ? read(slug) : change(slug, wish));
    const said = await answer.json();
    return answer.ok ? { ...said, error: "" } : { ...before, error: said.error };
  } catch {
    return { ...before, error: "The blog does not answer; try again." };
  }
}

const read = (slug: string) => fetch(`/api/likes?slug=${encodeURIComponent(slug)}`);

const change = (slug: string, action: "like" | "unlike") =>
  fetch("/api/likes", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ slug, action }),
  });
