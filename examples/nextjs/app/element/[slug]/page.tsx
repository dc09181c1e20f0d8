// A post with Likewise's own element. It needs no route: the browser calls Likewise (LIKEWISE_SITES must list the blog).
// The address at which readers' browsers reach Likewise.
const LIKEWISE_URL = process.env.LIKEWISE_URL ?? "http://127.0.0.1:8080";

export default async function Post({ params }: { params: Promise<{ slug: string }> }) {
  const { slug } = await params;
  return (
    <article>
      <h1>{slug}</h1>
      <p>A post that can be liked.</p>
      <script type="module" async src={`${LIKEWISE_URL}/like-button.js`} />
      <like-button post={slug} src={LIKEWISE_URL} />
    </article>
  );
}
