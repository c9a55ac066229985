// A moment in the reader's time zone, to the second when pointed at.

import { html } from "../preact.js";
import { exactMoment, moment } from "../format.js";

export function Moment({ of }) {
  return of ? html`<time datetime=${of} title=${exactMoment(of)}>${moment(of)}</time>` : null;
}
