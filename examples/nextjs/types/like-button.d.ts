// Lets TypeScript know <like-button> in JSX.
import type { DetailedHTMLProps, HTMLAttributes } from "react";

interface LikeButtonProps extends DetailedHTMLProps<HTMLAttributes<HTMLElement>, HTMLElement> {
  post: string;
  src: string;
  count?: number; // as the server rendered it
  liked?: boolean;
  token?: string; // a user's JWT
  live?: boolean; // follow others' likes
}

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "like-button": LikeButtonProps;
    }
  }
}
