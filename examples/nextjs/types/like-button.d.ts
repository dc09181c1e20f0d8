// Lets TypeScript know <like-button> in JSX.
import type { DetailedHTMLProps, HTMLAttributes } from "react";

type LikeButtonProps = DetailedHTMLProps<HTMLAttributes<HTMLElement>, HTMLElement> & { post: string; src: string };

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "like-button": LikeButtonProps;
    }
  }
}
