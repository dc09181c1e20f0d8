"use client";

// A like button for one post. It shows the click at once, and reverts it if the blog's route refuses it.
// Use: <LikeButton slug="hello-world" />
import { startTransition, useActionState, useEffect, useOptimistic } from "react";

type Action = "like" | "unlike" | "read";
// `likes` is null until the first response.
type Shown = { likes: number | null; liked: boolean; error: string };

export function LikeButton({ slug }: { slug: string }) {
  // An action state runs its actions one after the other, so quick clicks arrive in order.
  const [confirmed, send] = useActionState((before: Shown, action: Action) => ask(slug, action, before), UNKNOWN);
  const [shown, show] = useOptimistic(confirmed, withAction);

  useEffect(() => startTransition(() => send("read")), [slug, send]);

  function toggle() {
    const action = shown.liked ? "unlike" : "like";
    startTransition(() => {
      show(action);
      send(action);
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

/** Return what to show until the response arrives. */
function withAction(before: Shown, action: Action): Shown {
  const liked = action === "like";
  const change = Number(liked) - Number(before.liked);
  return { likes: before.likes === null ? null : before.likes + change, liked, error: "" };
}

/** Return the state of the route's response, or `before` with an error if it refused: this reverts what was shown. */
async function ask(slug: string, action: Action, before: Shown): Promise<Shown> {
  try {
    const answer = await (action === "read" ? read(slug) : change(slug, action));
    const confirmed = await answer.json();
    return answer.ok ? { ...confirmed, error: "" } : { ...before, error: confirmed.error };
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
