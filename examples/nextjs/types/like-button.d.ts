// Declares <like-button> for JSX.
import type { DetailedHTMLProps, HTMLAttributes } from "react";

interface LikeButtonProps extends DetailedHTMLProps<HTMLAttributes<HTMLElement>, HTMLElement> {
  post: string;
  src: string;
  /** The count that the server rendered. */
  count?: number;
  liked?: boolean;
  /** A user's JWT. */
  token?: string;
  /** Whether the count follows others' likes. */
  live?: boolean;
}

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "like-button": LikeButtonProps;
    }
  }
}
