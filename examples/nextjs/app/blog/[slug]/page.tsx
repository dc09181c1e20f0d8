// A post with the blog's own button, components/LikeButton.tsx, which calls app/api/likes/route.ts.
import { LikeButton } from "@/components/LikeButton";

export default async function Post({ params }: { params: Promise<{ slug: string }> }) {
  const { slug } = await params;
  return (
    <article>
      <h1>{slug}</h1>
      <p>A post that can be liked.</p>
      <LikeButton slug={slug} />
    </article>
  );
}
